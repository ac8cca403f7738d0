//! What is looked at before there is a run: the base that is meant and what is committed there, the words of the prompt,
//! the runs that it comes after, and what this machine has. All of it would come to light later, too; a person is told now.

use serde_json::{Value, json};

use crate::support::{House, Options, Repository, request};

const PLAN: &str = "- [ ] one thing\n";

/// Asks for a run of the repository with these settings; what is said where it is refused.
async fn asked(repo: &Repository, settings: Value) -> Result<House, String> {
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    house.try_create(request(repo, None, settings)).await?;
    Ok(house)
}

async fn refused(repo: &Repository, settings: Value) -> String {
    match asked(repo, settings).await {
        Ok(_) => panic!("a run was created"),
        Err(said) => said,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spec_and_plan_are_those_of_the_base_that_the_workspace_names() {
    let repo = Repository::with_plan(PLAN);
    repo.git(&["branch", "other"]);
    let two = "- [ ] one thing\n- [ ] another\n";
    repo.commit_on("other", "specs/planning/thing-plan.md", two);
    repo.write(".loop/config.toml", "base_branch = \"other\"\n");
    repo.commit_all("Name the base");
    let said = refused(&repo, json!({})).await;
    let words = "specs/planning/thing-plan.md differs from what is committed on other";
    assert!(said.contains(words), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_a_workspace_are_those_of_the_base_that_the_request_names() {
    let repo = Repository::with_plan(PLAN);
    repo.write(".loop/config.toml", "verify_cmds = [\"true\"]\n");
    repo.commit_all("Check");
    repo.git(&["branch", "other"]);
    std::fs::remove_file(repo.root.join(".loop/config.toml")).expect("removed");
    repo.commit_all("Check no more");
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    for (settings, checks) in [
        (json!({}), false),
        (json!({ "base_branch": "other" }), true),
    ] {
        let id = house.create(&repo, None, settings).await;
        assert_eq!(house.run(&id).await.facts.terms.has_checks, checks);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_comes_after_one_run_and_not_after_any_of_several() {
    let repo = Repository::with_plan(PLAN);
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    let first = house.create(&repo, None, json!({})).await;
    house.create(&repo, None, json!({})).await;
    let after = |reference: &str| {
        let mut request = request(&repo, None, json!({}));
        request.after = vec![reference.to_owned()];
        house.try_create(request)
    };
    // The head of an id is the time, which both share.
    let said = after(&first.0[..4]).await.expect_err("which of them?");
    assert!(said.contains("is not one run but 2"), "{said}");
    let third = after(&first.0).await.expect("that one");
    assert_eq!(house.run(&third).await.spec.after, [first]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_cannot_be_made_is_refused() {
    let repo = Repository::with_plan(PLAN);
    repo.write("prompt.md", "Do {{ what_nobody_knows }}.\n");
    repo.commit_all("A prompt");
    let said = refused(&repo, json!({ "prompt_file": "prompt.md" })).await;
    assert!(said.contains("prompt.md"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn worktrunk_is_asked_for_only_where_there_is_one() {
    let repo = Repository::with_plan(PLAN);
    let mut house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    house.creator.git = house.creator.git.clone().with_worktrunk(None);
    let by = |provider| request(&repo, None, json!({ "worktree_provider": provider }));
    let said = house.try_create(by("worktrunk")).await;
    let said = said.expect_err("there is none");
    assert!(
        said.contains("there is no wt on the PATH of loopd"),
        "{said}"
    );
    house.try_create(by("auto")).await.expect("git does it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_cannot_be_kept_is_refused_where_it_is_required() {
    let repo = Repository::with_plan(PLAN);
    // A step that may write to the branches of runs may write to this one.
    repo.git(&["branch", "run/of-mine"]);
    let settings = |sandbox| json!({ "sandbox": sandbox, "merge_strategy": "none" });
    let said = refused(&repo, settings("required")).await;
    assert!(
        said.contains("sandbox = \"required\" cannot be kept"),
        "{said}"
    );
    asked(&repo, settings("guard"))
        .await
        .expect("as far as it goes");
}
