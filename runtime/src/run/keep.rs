//! Which artifacts stay when the post-processors of a build are done.
//!
//! Packer's rule, made safe: the builder's artifact stays if there is no post-processor, or if the first of any chain
//! wants it; an artifact between two post-processors stays if the later one wants it. What does not stay is removed
//! only after every post-processor has ended well, and never a file that a kept artifact names as well.
//!
//! What a post-processor hands on unchanged (`manifest`, `shell-local`) is listed once more for it, as in Packer: scripts count
//! artifacts by their numbers. For one that Packer does not know it is not.

use crate::artifact::{Artifact, distinct};

/// A post-processor that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) chain: u32,
    pub(crate) position: u32,
    /// What it made; `None` where it failed or did not run.
    pub(crate) artifact: Option<Artifact>,
    /// Whether its input stays.
    pub(crate) keep_input: bool,
    /// Whether what it hands on unchanged is listed once more.
    pub(crate) lists_again: bool,
}

/// What stays, as Packer lists it, and what goes. After a failure, where Packer lists nothing, each is there once.
pub(crate) fn decide(built: Artifact, mut posts: Vec<Post>) -> (Vec<Artifact>, Vec<Artifact>) {
    posts.sort_by_key(|post| (post.chain, post.position));
    let all_well = posts.iter().all(|post| post.artifact.is_some());
    let mut kept = Vec::new();
    let mut going = Vec::new();
    let first_wants = |chain: u32| {
        posts
            .iter()
            .find(|post| post.chain == chain)
            .is_some_and(|post| post.keep_input)
    };
    let wanted = posts.is_empty() || posts.iter().any(|post| first_wants(post.chain));
    if wanted || !all_well {
        kept.push(built);
    } else {
        going.push(built);
    }
    for (at, post) in posts.iter().enumerate() {
        let Some(artifact) = &post.artifact else {
            continue;
        };
        let next = posts.get(at + 1).filter(|next| next.chain == post.chain);
        let stays = next.is_none_or(|next| next.keep_input) || !all_well;
        if stays && !post.lists_again && kept.contains(artifact) {
            continue;
        }
        if stays {
            kept.push(artifact.clone());
        } else {
            going.push(artifact.clone());
        }
    }
    if !all_well {
        kept = distinct(&kept).into_iter().cloned().collect();
    }
    going.retain(|artifact| !kept.contains(artifact));
    (kept, going)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(name: &str) -> Artifact {
        Artifact {
            id: name.into(),
            ..Artifact::default()
        }
    }

    type Case<'a> = (u32, u32, Option<&'a str>, bool);

    fn decided(posts: &[Case<'_>]) -> (String, String) {
        let posts = posts
            .iter()
            .map(|(chain, position, made, keep_input)| Post {
                chain: *chain,
                position: *position,
                artifact: made.map(artifact),
                keep_input: *keep_input,
                lists_again: true,
            })
            .collect();
        let (kept, going) = decide(artifact("built"), posts);
        let names = |list: Vec<Artifact>| {
            list.into_iter()
                .map(|artifact| artifact.id)
                .collect::<Vec<_>>()
                .join(" ")
        };
        (names(kept), names(going))
    }

    #[test]
    fn what_packer_does_not_know_lists_nothing_again() {
        let post = |position, lists_again| Post {
            chain: 0,
            position,
            artifact: Some(artifact("built")),
            keep_input: true,
            lists_again,
        };
        let kept = |posts| decide(artifact("built"), posts).0.len();
        assert_eq!(kept(vec![post(0, false)]), 1);
        assert_eq!(kept(vec![post(0, true), post(1, false)]), 2);
    }

    #[test]
    fn rules() {
        let cases: [(&[Case<'_>], &str, &str); 9] = [
            (&[], "built", ""),
            (&[(0, 0, Some("gz"), false)], "gz", "built"),
            (&[(0, 0, Some("gz"), true)], "built gz", ""),
            // One chain wants it: it stays for all.
            (
                &[(0, 0, Some("gz"), false), (1, 0, Some("built"), true)],
                "built gz built",
                "",
            ),
            // Between two post-processors.
            (
                &[(0, 0, Some("gz"), false), (0, 1, Some("up"), false)],
                "up",
                "built gz",
            ),
            (
                &[(0, 0, Some("gz"), false), (0, 1, Some("gz"), true)],
                "gz gz",
                "built",
            ),
            // Handed on unchanged.
            (&[(0, 0, Some("built"), true)], "built built", ""),
            (
                &[(0, 0, Some("built"), true), (1, 0, None, false)],
                "built",
                "",
            ),
            // A failure keeps everything.
            (
                &[(0, 0, Some("gz"), false), (0, 1, None, false)],
                "built gz",
                "",
            ),
        ];
        for (posts, kept, going) in cases {
            assert_eq!(decided(posts), (kept.into(), going.into()), "{posts:?}");
        }
    }
}
