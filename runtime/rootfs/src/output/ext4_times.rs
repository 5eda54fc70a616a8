//! Makes the times in an ext4 image depend on its content alone.
//!
//! mke2fs takes access and inode change times from the directory it copies, and nobody can set an inode change time
//! there. So they are set in the image: `mtime` no later than the given time,
//! `atime` = `mtime`, `ctime` and `crtime` = the given time, fractions of seconds
//! 0; then each inode's checksum (CRC-32C over the file system's UUID, inode number, generation and the inode) is made
//! anew. Layout after the kernel's documentation of ext4's data structures.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u16 = 0xef53;
const INCOMPAT_64BIT: u32 = 0x80;
const RO_COMPAT_METADATA_CSUM: u32 = 0x400;

/// Sets the times of every inode in use.
pub(crate) fn settle(image: &Path, time: i64) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(image)?;
    let layout = Layout::read(&file)?;
    for group in 0..layout.groups {
        let table = layout.inode_table(&file, group)?;
        let mut inodes = vec![0; layout.inodes_per_group as usize * layout.inode_size];
        file.read_exact_at(&mut inodes, table)?;
        for (index, inode) in inodes.chunks_exact_mut(layout.inode_size).enumerate() {
            let number = group * layout.inodes_per_group + index as u32 + 1;
            if inode.iter().any(|byte| *byte != 0) {
                set_times(inode, time as u32);
                layout.set_checksum(inode, number);
            }
        }
        file.write_all_at(&inodes, table)?;
    }
    Ok(())
}

struct Layout {
    block_size: u64,
    groups: u32,
    inodes_per_group: u32,
    inode_size: usize,
    descriptors: u64,
    descriptor_size: u64,
    wide: bool,
    /// Start value of checksums, if there are any.
    seed: Option<u32>,
}

impl Layout {
    fn read(file: &File) -> io::Result<Self> {
        let mut block = [0; 1024];
        file.read_exact_at(&mut block, 1024)?;
        if u16_at(&block, 0x38) != MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "no ext4 file system",
            ));
        }
        let block_size = 1024 << u32_at(&block, 0x18);
        let wide = u32_at(&block, 0x60) & INCOMPAT_64BIT != 0;
        let blocks = u64::from(u32_at(&block, 0x04))
            | if wide {
                u64::from(u32_at(&block, 0x150)) << 32
            } else {
                0
            };
        let first_block = u64::from(u32_at(&block, 0x14));
        let blocks_per_group = u64::from(u32_at(&block, 0x20)).max(1);
        let checksums = u32_at(&block, 0x64) & RO_COMPAT_METADATA_CSUM != 0;
        Ok(Self {
            block_size,
            groups: (blocks - first_block).div_ceil(blocks_per_group) as u32,
            inodes_per_group: u32_at(&block, 0x28),
            inode_size: usize::from(u16_at(&block, 0x58)),
            descriptors: (first_block + 1) * block_size,
            descriptor_size: if wide {
                u64::from(u16_at(&block, 0xfe))
            } else {
                32
            },
            wide,
            seed: checksums.then(|| crc32c(!0, &block[0x68..0x78])),
        })
    }

    /// Where a group's inodes are, in bytes.
    fn inode_table(&self, file: &File, group: u32) -> io::Result<u64> {
        let mut descriptor = [0; 64];
        let descriptor = &mut descriptor[..self.descriptor_size.min(64) as usize];
        file.read_exact_at(
            descriptor,
            self.descriptors + u64::from(group) * self.descriptor_size,
        )?;
        let low = u64::from(u32_at(descriptor, 0x08));
        let high = if self.wide {
            u64::from(u32_at(descriptor, 0x28))
        } else {
            0
        };
        Ok((low | high << 32) * self.block_size)
    }

    fn set_checksum(&self, inode: &mut [u8], number: u32) {
        let Some(seed) = self.seed else { return };
        let has_high = inode.len() > 128 && u16_at(inode, 0x80) >= 4;
        inode[0x7c..0x7e].fill(0);
        if has_high {
            inode[0x82..0x84].fill(0);
        }
        let seed = crc32c(seed, &number.to_le_bytes());
        let seed = crc32c(seed, &inode[0x64..0x68]);
        let checksum = crc32c(seed, inode).to_le_bytes();
        inode[0x7c..0x7e].copy_from_slice(&checksum[..2]);
        if has_high {
            inode[0x82..0x84].copy_from_slice(&checksum[2..]);
        }
    }
}

fn set_times(inode: &mut [u8], time: u32) {
    let modified = u32_at(inode, 0x10).min(time).to_le_bytes();
    inode[0x10..0x14].copy_from_slice(&modified);
    inode[0x08..0x0c].copy_from_slice(&modified);
    inode[0x0c..0x10].copy_from_slice(&time.to_le_bytes());
    let extra = if inode.len() > 128 {
        128 + usize::from(u16_at(inode, 0x80))
    } else {
        128
    };
    if extra >= 0x98 {
        // Fractions of ctime, mtime and atime; creation time and its fraction.
        inode[0x84..0x90].fill(0);
        inode[0x90..0x94].copy_from_slice(&time.to_le_bytes());
        inode[0x94..0x98].fill(0);
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// CRC-32C (Castagnoli) as ext4 uses it: no inversion at either end.
fn crc32c(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| {
        TABLE[usize::from((crc as u8) ^ byte)] ^ (crc >> 8)
    })
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // Check value of CRC-32C for "123456789", with the inversions undone.
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }
}
