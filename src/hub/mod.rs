//! Checkpoints from a model hub, kept in the cache that the hub's other clients share.
//!
//! ```text
//! repository id, revision ── listing ──► commit, file names ── plan ──► files ── download ──► snapshot folder
//! ```
//!
//! Only the files of a Qwen2-VL checkpoint are fetched: `config.json`, the tokenizer, `model.safetensors` or the
//! shards that its index names, and the small settings that stand beside them. Formats that can carry code
//! (`.bin`, `.pt`) are never asked for. Weights are checked against the SHA-256 that the hub states; a download
//! that was cut off goes on where it stopped.
//!
//! | File | |
//! |---|---|
//! | `config.json` | required |
//! | `generation_config.json`, `preprocessor_config.json`, `video_preprocessor_config.json`, `processor_config.json` | if there |
//! | `tokenizer_config.json`, `chat_template.json`, `chat_template.jinja` | if there |
//! | `tokenizer.json`, else `vocab.json` and `merges.txt` | required |
//! | `model.safetensors`, else `model.safetensors.index.json` and its shards | required |
//!
//! # Source
//!
//! Addresses `/api/models/{repo}/revision/{revision}` and `/{repo}/resolve/{commit}/{file}`:
//! <https://huggingface.co/docs/hub/api>. Folders `refs`, `blobs`, `snapshots`, `.no_exist`:
//! <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

mod cache;
mod client;
mod download;
mod environment;
mod error;
mod options;
mod plan;
mod repo;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]
mod tests;

use std::path::PathBuf;

use cache::RepoCache;
use client::Client;
pub use error::HubError;
pub use options::{HubOptions, Network, Progress, ProgressFn, Token};
use plan::Plan;
use repo::Repo;

/// Brings a checkpoint into the cache and gives the folder that holds its files.
///
/// A revision that is complete in the cache costs no request, unless [`Network::Always`] asks whether a branch
/// has moved. Another client may have left out optional files: those that nobody is known to have looked for are asked
/// for once, of the commit in the cache. Without a network, and with [`Network::Never`], they count as files that the
/// commit does not have. One call waits while another program downloads the same file.
///
/// # Errors
///
/// [`HubError::RepoId`], [`HubError::Revision`], [`HubError::Endpoint`] and [`HubError::Token`] for options that
/// are not valid; [`HubError::NotCached`] without network; [`HubError::MissingFile`] and [`HubError::UnsafeName`]
/// for a repository that is no checkpoint; [`HubError::Status`], [`HubError::Transport`], [`HubError::Response`]
/// and [`HubError::Corrupt`] when the download fails for good; [`HubError::Io`] for the cache.
///
/// # Examples
///
/// ```no_run
/// use rcmu::hub::{self, HubOptions};
///
/// let folder = hub::fetch("Qwen/Qwen2-VL-2B-Instruct", &HubOptions::from_env())?;
/// # Ok::<(), hub::HubError>(())
/// ```
pub fn fetch(repo_id: &str, options: &HubOptions) -> Result<PathBuf, HubError> {
    let repo = Repo::new(repo_id, &options.revision)?;
    let cache = RepoCache::new(&options.cache_dir, &repo);
    let mut missing = vec![repo.revision().to_owned()];
    if (options.network != Network::Always || repo.is_pinned())
        && let Some(commit) = cache.commit()?
    {
        let plan = Plan::of_snapshot(&cache, &commit)?;
        if plan.missing.is_empty() {
            if !plan.unknown.is_empty() && options.network != Network::Never {
                // The same commit: a branch that moved since would bring new weights. Asked once: all that must be is there.
                let once = HubOptions { retries: 0, ..options.clone() };
                match complete(&Repo::new(repo_id, &commit)?, &plan.unknown, &cache, &once) {
                    // Without a network what is there is used, as other clients use it.
                    Err(error @ HubError::Transport { .. }) => tracing::warn!(
                        %error,
                        files = ?plan.unknown,
                        "nobody has looked for optional files, and the hub cannot be reached"
                    ),
                    done => done?,
                }
            }
            return Ok(cache.snapshot(&commit));
        }
        missing = plan.missing;
    }
    if options.network == Network::Never {
        return Err(HubError::NotCached { repo_id: repo_id.to_owned(), missing });
    }

    let client = Client::new(options)?;
    let listing = client.listing(&repo)?;
    // A revision that is whole stays what it names until the new one is, too.
    let is_whole =
        |commit: String| Plan::of_snapshot(&cache, &commit).is_ok_and(|plan| plan.missing.is_empty());
    let keeps = cache.commit()?.is_some_and(is_whole);
    if !keeps {
        cache.write_ref(&listing.commit)?;
    }
    let missing_file = |file: String| HubError::MissingFile {
        repo_id: repo_id.to_owned(),
        commit: listing.commit.clone(),
        file,
    };
    let lacks = |file: &&str| !listing.names.contains(*file);
    plan::OPTIONAL.iter().copied().filter(lacks).for_each(|file| cache.remember_lack(&listing.commit, file));
    let plan = Plan::of_names(|name| listing.names.contains(name));
    if let Some(file) = plan.missing.into_iter().next() {
        return Err(missing_file(file));
    }
    let mut files = plan.files;
    let mut next = 0;
    while let Some(file) = files.get(next).cloned() {
        download::file(&client, &cache, &repo, &listing.commit, &file)?;
        if file == plan::INDEX {
            for shard in plan::shards(&cache.snapshot(&listing.commit).join(plan::INDEX))? {
                if !listing.names.contains(&shard) {
                    return Err(missing_file(shard));
                }
                files.push(shard);
            }
        }
        next += 1;
    }
    if keeps {
        cache.write_ref(&listing.commit)?;
    }
    Ok(cache.snapshot(&listing.commit))
}

/// Brings those of some optional files that a commit has, and remembers that it does not have the others.
fn complete(repo: &Repo, files: &[&str], cache: &RepoCache, options: &HubOptions) -> Result<(), HubError> {
    let client = Client::new(options)?;
    let listing = client.listing(repo)?;
    for file in files {
        if listing.names.contains(*file) {
            download::file(&client, cache, repo, &listing.commit, file)?;
        } else {
            cache.remember_lack(&listing.commit, file);
        }
    }
    Ok(())
}
