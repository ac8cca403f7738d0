//! Agents and checks that write where they must not: each attempt is refused where it is made, nothing outside has
//! changed, and the run goes on.

use agent_loop::core::run::State;
use agent_loop::core::step::Confined;
use serde_json::json;

use super::{Estate, ONE_TASK, confinement, landlock};
use crate::support::Repository;

/// Tries to write everywhere, and reports on standard output, a line each: what, and whether it was refused.
const TRESPASS: &str = r#"
try() { what=$1; shift; if (sh -c "$*") >/dev/null 2>&1; then echo "$what DONE"; else echo "$what refused"; fi; }
primary=$(dirname "$(git rev-parse --path-format=absolute --git-common-dir)")
common=$primary/.git
try checkout "echo x >> $primary/specs/thing.md"
try new-file "echo x > $primary/new"
try index "rm $common/index"
try commit-in-checkout "git -C $primary commit --allow-empty -m x"
try main "git update-ref refs/heads/main HEAD~0 && git update-ref -d refs/heads/main"
try main-by-hand "echo 0 > $common/refs/heads/main"
try other-branch "git branch other"
try tag "git tag x"
try head "git -C $primary symbolic-ref HEAD refs/heads/x"
try packed-refs "git pack-refs --all"
try packed-by-hand "echo x > $common/packed-refs"
try hooks "echo x > $common/hooks/post-commit"
try config "git config core.fsmonitor /bin/false"
try config-by-hand "echo x >> $common/config"
try exclude "echo x >> $common/info/exclude"
try worktree "git worktree add $primary.more"
try pipe-for-head "rm $(git rev-parse --git-dir)/MERGE_HEAD; mkfifo $(git rev-parse --git-dir)/MERGE_HEAD"
try link-for-head "ln -s /dev/zero $(git rev-parse --git-dir)/MERGE_HEAD"
try pipe-among-objects "mkfifo $common/objects/pipe"
try pipe-for-branch "mkfifo $common/refs/heads/run/pipe"
try worktrees "mkdir $common/worktrees/other"
try machine "[ $(id -u) = 0 ] && echo x > /proc/self/comm"
try profile "echo x >> ~/.profile"
try settings "mkdir ~/.config/x"
try bin "mkdir -p ~/.local/bin"
try data "rm -r $LOOPD_DATA/runs"
try beside "echo x > $primary/../beside"
"#;

/// The places that it must not reach, as they are.
fn outside(estate: &Estate) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let root = &estate.repo.root;
    let mut dirs = vec![root.clone(), estate.home()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory").flatten() {
            let path = entry.path();
            let name = path.display().to_string();
            // What the run itself writes, and may.
            let own = [
                "/objects",
                "/worktrees",
                "/logs",
                "/refs/heads/run",
                "/refs/loopd",
                "/.cache",
            ];
            let target = name.contains("/refs/heads/agent");
            if own.iter().any(|own| name.ends_with(own)) || target || name.ends_with("info/exclude")
            {
                continue;
            }
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push((name, std::fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn an_agent_reaches_nothing_outside_and_does_its_work() {
    if !landlock() {
        return;
    }
    let estate = Estate::new(ONE_TASK).await;
    let data = estate.repo.outside().join("data");
    let trespass = TRESPASS.replace("$LOOPD_DATA", &data.display().to_string());
    let script = estate.repo.beside("trespass.sh", &trespass);
    let before = (estate.repo.checkout(), outside(&estate));
    let turns = format!(
        r#"
        [[turn]]
        steps = [
            {{ sh = "sh '{}' > report.txt" }},
            {{ sh = "f=$(mktemp) && echo x > $f && mv $f built && mkdir -p /tmp/loopd-sandbox.$$ && rmdir /tmp/loopd-sandbox.$$" }},
            {{ sh = "git add -A && git commit -qm One && git commit -q --amend -m Two && git commit -q --allow-empty -m Three && git reset -q --soft HEAD~1" }},
            {{ tick = "next" }},
            "complete",
        ]
    "#,
        script.display()
    );
    let settings = json!({ "verify_cmds": ["test -f built"], "log_dir": "logs/loop", "artifact_mode": "global" });
    let id = estate
        .house
        .create(&estate.repo, Some(&turns), settings)
        .await;
    estate.house.rests(&id, State::Completed).await;
    estate.house.settled(&id).await;
    let report = estate.repo.at("agent/thing", "report.txt");
    let done: Vec<&str> = report
        .lines()
        .filter(|line| !line.ends_with(" refused"))
        .collect();
    assert_eq!(done, [""; 0], "{report}");
    assert_eq!(
        report.lines().count(),
        TRESPASS.matches("\ntry ").count(),
        "all were tried: {report}"
    );
    assert_eq!((estate.repo.checkout(), outside(&estate)), before);
    for phase in ["implementation", "review", "verification"] {
        let confinement = confinement(&estate.house, &id, phase).await;
        assert_eq!(
            (confinement.level, confinement.lacks),
            (Confined::Full, vec![]),
            "{phase}"
        );
    }
    estate.house.check().await;
}

#[tokio::test]
async fn a_command_of_the_users_is_confined_like_a_known_agent() {
    if !landlock() {
        return;
    }
    let estate = Estate::new(ONE_TASK).await;
    std::fs::create_dir_all(estate.home().join(".claude")).expect("a directory");
    let before = estate.repo.checkout();
    let script = estate.repo.beside(
        "agent.sh",
        "cat > /dev/null\n\
         echo mine > ../repo/specs/thing.md || echo 'refused to me'\n\
         echo session > ~/.claude/session || exit 1\n\
         sed -i 's/\\[ \\]/[x]/' specs/planning/thing-plan.md && git commit -qam Done\n\
         echo '<promise>COMPLETE</promise>'\n",
    );
    let settings = json!({
        "agent": "mine",
        "agents": { "mine": { "command": "/bin/sh", "args": [script] } },
        "reviewer": false,
        "artifact_mode": "global",
    });
    let id = estate.house.create(&estate.repo, None, settings).await;
    estate.house.rests(&id, State::Completed).await;
    assert_eq!(estate.repo.checkout(), before);
    let log = estate.house.file(&id, "iter-01-impl.log");
    assert!(log.contains("refused to me"), "{log}");
    let session = std::fs::read_to_string(estate.home().join(".claude/session"));
    assert_eq!(session.expect("its state is kept"), "session\n");
}

#[tokio::test]
async fn a_check_that_writes_into_the_checkout_fails_and_the_run_says_why() {
    if !landlock() {
        return;
    }
    let estate = Estate::new(ONE_TASK).await;
    let before = estate.repo.checkout();
    let settings = json!({
        "verify_cmds": ["echo x > ../repo/made-by-a-check", "mkdir -p target && mktemp > target/name"],
        "max_consecutive_verification_failures": 1,
        "artifact_mode": "global",
    });
    let id = estate.house.create(&estate.repo, None, settings).await;
    estate.house.rests(&id, State::Failed).await;
    assert_eq!(estate.repo.checkout(), before);
    let told = estate.house.told(&id, "VERIFICATION_FINISHED").await;
    assert_eq!(told[0]["passed"], false);
    let log = estate.house.file(&id, "verify/verify-01-1.log");
    assert!(log.contains("Permission denied"), "{log}");
    assert_eq!(
        confinement(&estate.house, &id, "verification").await.level,
        Confined::Full
    );
}

#[tokio::test]
async fn what_lies_among_temporary_files_is_open_and_the_step_says_so() {
    if !landlock() {
        return;
    }
    let repo = Repository::with_plan(ONE_TASK);
    let house = crate::support::House::over(&repo).await;
    let id = house.create(&repo, None, json!({})).await;
    house.rests(&id, State::Completed).await;
    let found = confinement(&house, &id, "implementation").await;
    assert_eq!(found.level, Confined::Partial);
    let told = found.lacks.join("; ");
    for place in [
        "/tmp is open",
        "the primary checkout",
        "loopd's data",
        "the home directory",
    ] {
        assert!(told.contains(place), "{told}");
    }
}

#[tokio::test]
async fn a_repository_apart_from_its_checkout_is_told_to_be_open_too() {
    if !landlock() {
        return;
    }
    let repo = Repository::with_plan(ONE_TASK);
    let apart = repo.outside().join("apart.git").display().to_string();
    repo.git(&["init", "--quiet", "--separate-git-dir", &apart]);
    let house = crate::support::House::over(&repo).await;
    let id = house.create(&repo, None, json!({})).await;
    house.rests(&id, State::Completed).await;
    let found = confinement(&house, &id, "implementation").await;
    let told = found.lacks.join("; ");
    assert!(told.contains("the repository ("), "{told}");
    // Nor where it knows its checkout.
    let root = repo.root.display().to_string();
    repo.git(&["config", "core.worktree", &root]);
    let id = house.create(&repo, None, json!({})).await;
    house.rests(&id, State::Completed).await;
    let found = confinement(&house, &id, "implementation").await;
    let told = found.lacks.join("; ");
    for part in ["the repository (", "the primary checkout ("] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
