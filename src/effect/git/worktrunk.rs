//! Worktrunk (`wt`) as the maker of a worktree: it decides, by the user's own configuration, where the worktree goes, and
//! adds it; loopd then locks and marks it as it does its own.
//!
//! What is asked of it is `wt switch --no-cd --no-hooks BRANCH`, with a branch that loopd has made and claimed before, and
//! nothing it says is believed: git is asked where the branch is checked out. Its hooks stay off, because those that it
//! starts in the background would outlive the run. It is never asked to remove: between the proof that nothing is lost
//! and the removal nobody else may act, and `wt remove` runs hooks there, moves the files away and may delete the branch.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    GitError, Repo, Result, Worktree,
    admin::{Admin, Head, all},
    own::is_gits_own,
    safe::Safe,
};

/// Options without which it is not the Worktrunk that is meant here; several programs are called `wt`.
const NEEDED: [&str; 2] = ["--no-cd", "--no-hooks"];

/// The `wt` of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktrunk {
    /// The program.
    pub program: PathBuf,
    /// The user has configured it.
    pub configured: bool,
}

impl Worktrunk {
    /// Looks for it, given the environment: on the `PATH`, and for its configuration where it keeps it.
    pub fn find(var: impl Fn(&str) -> Option<OsString>) -> Option<Worktrunk> {
        let mut programs = which::which_in_global("wt", var("PATH")).ok()?;
        let program = programs.find(|it| it.is_absolute())?;
        let config = var("WORKTRUNK_CONFIG_PATH").map(PathBuf::from).or_else(|| {
            let home = || Some(Path::new(&var("HOME")?).join(".config"));
            let dir = var("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
            Some(dir.join("worktrunk/config.toml"))
        });
        Some(Worktrunk {
            program,
            configured: config.is_some_and(|file| file.is_file()),
        })
    }
}

/// Lets `wt` add the worktree of a branch that is loopd's own and checked out nowhere, and locks it; its path becomes the
/// record's. Or says why a person has to look.
pub(super) async fn add(
    safe: &Safe<'_>,
    worktree: &mut Worktree,
    wt: &Path,
) -> Result<std::result::Result<Admin, String>> {
    let repo = safe.repo;
    let branch = worktree.run_branch.clone();
    if let Some(admin) = on_branch(repo, worktree).await? {
        return Ok(Err(format!(
            "{} is on {branch} and does not carry the mark of the run: a call of wt was cut off, or somebody checked it out; look at it, remove it with `git worktree remove`, then resume",
            admin.path.display()
        )));
    }
    let cwd = match repo.primary().await? {
        Some(primary) => primary,
        None => repo.common_dir.clone(),
    };
    let help = repo.other(wt, &cwd, ["switch", "--help"]).output().await?;
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    if help.code != 0 || !NEEDED.iter().all(|option| text.contains(option)) {
        return Ok(Err(format!(
            "{} is no Worktrunk that knows `wt switch {}`; install a newer one, then resume, or create the run anew with worktree_provider = \"git\"",
            wt.display(),
            NEEDED.join(" ")
        )));
    }
    let args = ["switch"]
        .into_iter()
        .chain(NEEDED)
        .chain([branch.as_str()]);
    let switched = safe
        .overridden(repo.other(wt, &cwd, args))
        .slow()
        .output()
        .await?;
    if switched.code != 0 {
        return Ok(Err(format!(
            "failed to {}; settle what it complains of, then resume, or create the run anew with worktree_provider = \"git\"",
            switched.error()
        )));
    }
    let Some(admin) = on_branch(repo, worktree).await? else {
        let tried = format!("let wt add a worktree for {branch}");
        return Err(GitError::permanent(
            tried,
            "it says that it did, and git knows of none",
        ));
    };
    if is_gits_own(&repo.common_dir, None, &admin.path) {
        let said = format!(
            "it put it into git's own directory, to {}; set Worktrunk's worktree-path to a place outside of the repository, and remove that worktree with `git worktree remove`",
            admin.path.display()
        );
        return Err(GitError::permanent(
            format!("let wt add a worktree for {branch}"),
            said,
        ));
    }
    worktree.path = admin.path.clone();
    let words = worktree.owner().words();
    let lock = ["worktree", "lock", "--reason", words.as_str(), "--"].map(std::ffi::OsStr::new);
    safe.call(lock.into_iter().chain([worktree.path.as_os_str()]))
        .ok()
        .await?;
    Ok(Ok(admin))
}

/// The linked worktree that is on the run's branch.
async fn on_branch(repo: &Repo, worktree: &Worktree) -> Result<Option<Admin>> {
    let wanted = Head::Branch(worktree.branch_ref());
    for admin in all(repo)? {
        if admin.head(repo).await? == wanted {
            return Ok(Some(admin));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_found_on_the_path_and_its_configuration_where_it_keeps_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = dir.path();
        let find = |vars: &[(&str, PathBuf)]| {
            let of = |name: &str| vars.iter().find(|(known, _)| *known == name);
            Worktrunk::find(|name| Some(of(name)?.1.clone().into_os_string()))
        };
        let path = ("PATH", top.join("bin"));
        fs::create_dir_all(top.join("bin")).expect("a directory");
        fs::write(top.join("bin/wt"), "").expect("a file");
        assert_eq!(find(std::slice::from_ref(&path)), None, "it cannot be run");
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(top.join("bin/wt"), all).expect("a mode");
        let found = |configured| {
            Some(Worktrunk {
                program: top.join("bin/wt"),
                configured,
            })
        };
        let home = ("HOME", top.to_owned());
        assert_eq!(find(&[path.clone(), home.clone()]), found(false));
        fs::create_dir_all(top.join(".config/worktrunk")).expect("a directory");
        fs::write(top.join(".config/worktrunk/config.toml"), "").expect("a file");
        assert_eq!(find(&[path.clone(), home.clone()]), found(true));
        let elsewhere = ("XDG_CONFIG_HOME", top.join("none"));
        assert_eq!(find(&[path.clone(), home.clone(), elsewhere]), found(false));
        let named = ("WORKTRUNK_CONFIG_PATH", top.join("bin/wt"));
        assert_eq!(find(&[path, named]), found(true));
    }
}
