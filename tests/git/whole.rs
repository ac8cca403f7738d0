//! What is merged is there, whole, and in the repository itself.

use std::{fs, path::PathBuf};

use agent_loop::effect::git::{
    GitErrorKind, Oid, Repo, Step, Strategy, Worktree, head, plan_merge, prepare_worktree,
};

use super::{Lab, executable, merge_want, ready, want, with_worktree};

async fn plan(repo: &Repo, worktree: &Worktree) -> Step {
    let verified = head(repo, worktree).await.unwrap();
    let want = merge_want(worktree, &verified, Strategy::Squash);
    plan_merge(repo, &want).await.unwrap()
}

fn why(step: Step) -> String {
    match step {
        Step::Held { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

/// A loose object's file, which may be written from now on.
fn object(repo: &Repo, id: &Oid) -> PathBuf {
    let (dir, name) = id.as_str().split_at(2);
    let file = repo.common_dir.join("objects").join(dir).join(name);
    let mut mode = fs::metadata(&file).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o644);
    fs::set_permissions(&file, mode).unwrap();
    file
}

/// A worktree with a commit whose objects an agent has put into a directory of its own, from which the repository borrows.
async fn lent() -> (Lab, Repo, Worktree, PathBuf) {
    let (lab, repo, worktree) = with_worktree().await;
    let elsewhere = lab.at("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    let script = "GIT_ALTERNATE_OBJECT_DIRECTORIES=$(git rev-parse --path-format=absolute --git-path objects) \
                  GIT_OBJECT_DIRECTORY=$1 git commit -qam work";
    fs::write(
        repo.common_dir.join("objects/info/alternates"),
        format!("{}\n", elsewhere.display()),
    )
    .unwrap();
    let alias = format!(
        "alias.lend=!sh -c '{script}' lend '{}'",
        elsewhere.display()
    );
    lab.sh(&worktree.path, &["-c", &alias, "lend"]);
    (lab, repo, worktree, elsewhere)
}

#[tokio::test]
async fn objects_that_lie_only_where_the_repository_was_told_to_borrow_are_not_merged() {
    let (lab, repo, worktree, elsewhere) = lent().await;
    assert!(
        fs::read_dir(&elsewhere).unwrap().count() > 0,
        "they lie there"
    );
    let said = why(plan(&repo, &worktree).await);
    assert!(said.contains("objects/info/alternates"), "{said}");
    assert!(said.contains("git repack -a -d"), "{said}");
    // The advice helps.
    lab.sh(&lab.repo(), &["repack", "-q", "-a", "-d"]);
    let step = plan(&repo, &worktree).await;
    assert!(matches!(step, Step::Ready(_)), "{step:?}");
}

#[tokio::test]
async fn where_the_repository_borrowed_when_the_run_began_it_borrows_on() {
    let lab = Lab::new().await;
    // In an environment variable, a colon and quotes have a meaning of their own.
    let lender = lab.start("a \"quoted\" and:cut lender");
    let args = ["clone", "-q", "--shared", lender.to_str().unwrap(), "clone"];
    lab.sh(&lab.at(""), &args);
    let clone = lab.at("clone");
    fs::write(lender.join("g"), "lent\n").unwrap();
    let lent = lab.commit(&lender, "lent");
    let repo = Repo::open(&lab.git, &clone).await.unwrap();
    let prepared = prepare_worktree(&repo, &want("r1")).await;
    let worktree = ready(prepared.unwrap());
    lab.sh(
        &worktree.path,
        &[
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@b.example",
            "merge",
            "-q",
            "--no-ff",
            "-m",
            "take",
            lent.as_str(),
        ],
    );
    // A person adds another place, which has nothing to do with it.
    let alternates = repo.common_dir.join("objects/info/alternates");
    let known = fs::read_to_string(&alternates).unwrap();
    fs::create_dir(lab.at("more")).unwrap();
    fs::write(
        &alternates,
        format!("{known}{}\n", lab.at("more").display()),
    )
    .unwrap();
    let step = plan(&repo, &worktree).await;
    assert!(matches!(step, Step::Ready(_)), "{step:?}");
    // Of before this was recorded, nothing is said.
    let before = Worktree {
        lenders: None,
        ..worktree
    };
    let step = plan(&repo, &before).await;
    assert!(matches!(step, Step::Ready(_)), "{step:?}");
}

#[tokio::test]
async fn an_object_with_other_bytes_or_without_any_is_not_merged() {
    let (lab, repo, worktree) = with_worktree().await;
    fs::write(worktree.path.join("f"), "two\n").unwrap();
    fs::write(worktree.path.join("g"), "other\n").unwrap();
    lab.commit(&worktree.path, "work");
    let ids = ["HEAD:f", "HEAD:g"].map(|name| lab.id(&worktree.path, name));
    let [f, g] = ids.map(|id| object(&repo, &id));
    let good = fs::read(&f).unwrap();
    fs::copy(&g, &f).unwrap();
    let said = why(plan(&repo, &worktree).await);
    assert!(
        said.contains("damaged or missing") && said.contains("hash mismatch"),
        "{said}"
    );
    fs::remove_file(&f).unwrap();
    let said = why(plan(&repo, &worktree).await);
    assert!(said.contains("missing blob"), "{said}");
    fs::write(&f, good).unwrap();
    let step = plan(&repo, &worktree).await;
    assert!(matches!(step, Step::Ready(_)), "{step:?}");
}

#[tokio::test]
async fn what_keeps_git_from_looking_is_no_damage() {
    let (lab, repo, worktree) = with_worktree().await;
    lab.commit(&worktree.path, "work");
    let said = "fatal: not a git repository (or any of the parent directories)";
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' --verify-objects '*) echo '{said}' >&2; exit 128;; esac\nexec git \"$@\"\n"
    );
    executable(&lab.at("git"), &script);
    let verified = head(&repo, &worktree).await.unwrap();
    let want = merge_want(&worktree, &verified, Strategy::Squash);
    let error = plan_merge(&repo, &want).await.unwrap_err();
    assert_eq!(error.kind, GitErrorKind::MissingRepo, "{error}");
}
