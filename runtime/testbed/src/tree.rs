//! Directories of small files, the same on every call, and a digest to compare them by.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes `files` files of 200 to 8,000 bytes into `directories` directories below `root` (1: all in `root` itself).
///
/// The content looks random to a compressor and depends only on the arguments.
pub fn write(root: &Path, files: usize, directories: usize) -> io::Result<()> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    fs::create_dir_all(root)?;
    for number in 0..files {
        let directory = match directories {
            0 | 1 => root.to_path_buf(),
            _ => {
                let slot = number % directories;
                root.join(format!("d{:02}", slot / 7))
                    .join(format!("s{}", slot % 7))
            }
        };
        fs::create_dir_all(&directory)?;
        let length = 200 + (random.next() % 7_801) as usize;
        fs::write(
            directory.join(format!("f{number:05}")),
            random.bytes(length),
        )?;
    }
    Ok(())
}

/// Writes one file of `length` bytes that look random to a compressor.
pub fn write_file(path: &Path, length: u64) -> io::Result<()> {
    let mut random = Random(length | 1);
    let mut file = io::BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    let mut left = length;
    while left > 0 {
        let part = left.min(1 << 20);
        io::Write::write_all(&mut file, &random.bytes(part as usize))?;
        left -= part;
    }
    io::Write::flush(&mut file)
}

/// One line per entry below `root`, sorted: kind, permission bits, path, and content or target. Two trees are equal
/// when their listings are.
pub fn listing(root: &Path) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    collect(root, root, &mut lines)?;
    lines.sort();
    Ok(lines)
}

fn collect(root: &Path, directory: &Path, lines: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        let mode = metadata.permissions().mode() & 0o7777;
        let name = path.strip_prefix(root).unwrap_or(&path);
        let file_type = metadata.file_type();
        lines.push(if file_type.is_symlink() {
            format!("link {name:?} -> {:?}", fs::read_link(&path)?)
        } else if file_type.is_dir() {
            format!("directory {mode:o} {name:?}")
        } else {
            let content = fs::read(&path)?;
            format!(
                "file {mode:o} {name:?} {} {:016x}",
                content.len(),
                digest(&content)
            )
        });
        if file_type.is_dir() {
            collect(root, &path, lines)?;
        }
    }
    Ok(())
}

/// FNV-1a over 64-bit words: quick even without optimisation, and enough to notice any accident.
fn digest(content: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in content.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        hash = (hash ^ u64::from_le_bytes(bytes)).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 29;
    }
    hash
}

/// xorshift64*: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes()[..7]);
        }
        bytes.truncate(length);
        bytes
    }
}
