//! Forges: `gh` and `glab`, and which of them a remote belongs to, by its address alone. How they are called is in `tool`.

/// A forge, by its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forge {
    GitHub,
    GitLab,
}

impl Forge {
    const ALL: [Forge; 2] = [Forge::GitHub, Forge::GitLab];

    pub(super) fn command(self) -> &'static str {
        match self {
            Forge::GitHub => "gh",
            Forge::GitLab => "glab",
        }
    }

    /// The forges that a remote at `url` may belong to: by the name of its host, where that tells.
    pub(super) fn of(url: &str) -> Vec<Forge> {
        let host = host(url).to_lowercase();
        if host.contains("github") {
            vec![Forge::GitHub]
        } else if host.contains("gitlab") {
            vec![Forge::GitLab]
        } else {
            Forge::ALL.to_vec()
        }
    }
}

/// The host of `https://host/…`, `ssh://user@host:22/…` or `user@host:…`; nothing for a path.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let scp_like = !url.contains("://");
    let authority = match (scp_like, rest.find('/'), rest.find(':')) {
        (true, Some(slash), Some(colon)) if slash < colon => "",
        (true, _, None) => "",
        (_, Some(slash), _) => rest.get(..slash).unwrap_or_default(),
        (_, None, _) => rest,
    };
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    host.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forge_is_known_by_the_host_of_the_remote() {
        for (url, expected) in [
            ("https://github.com/o/r.git", "github.com"),
            ("git@gitlab.example.org:o/r.git", "gitlab.example.org"),
            ("ssh://git@code.example:2222/o/r", "code.example"),
            ("/srv/github/r.git", ""),
            ("../gitlab:r.git", ""),
            ("C", ""),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
        assert_eq!(Forge::of("git@github.com:o/r"), [Forge::GitHub]);
        assert_eq!(Forge::of("https://gitlab.com/o/r"), [Forge::GitLab]);
        assert_eq!(Forge::of("/srv/r.git"), Forge::ALL);
    }
}
