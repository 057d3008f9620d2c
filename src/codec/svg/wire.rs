//! What goes between the server and the process that handles an SVG: a job one way, an answer the other, in fixed
//! little-endian fields. Both ends are this program, so there is no version.

use std::io::{self, Read};

/// One picture to be handled, with its text behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Job {
    pub(super) task: Task,
    /// Bytes that the process may allocate.
    pub(super) memory: u64,
    /// CPU time after which the system ends it.
    pub(super) seconds: u32,
    /// Bytes of the text.
    pub(super) len: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Task {
    /// Draw a region, given in the picture's own pixels, on so many pixels.
    Draw { region: [u32; 4], target: (u32, u32) },
    /// Write it anew without what could do harm.
    Clean,
}

/// Bytes of a [`Job`] on the wire.
pub(super) const HEAD: usize = 1 + 8 + 4 + 4 + 6 * 4;

/// The first byte of an answer; what follows is pixels or a text, or the reason.
pub(super) const DONE: u8 = 1;
pub(super) const FAILED: u8 = 2;

const DRAW: u8 = 1;
const CLEAN: u8 = 2;

impl Job {
    pub(super) fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let (kind, numbers) = match self.task {
            Task::Draw { region: [x, y, w, h], target } => (DRAW, [x, y, w, h, target.0, target.1]),
            Task::Clean => (CLEAN, [0; 6]),
        };
        bytes[0] = kind;
        bytes[1..9].copy_from_slice(&self.memory.to_le_bytes());
        bytes[9..13].copy_from_slice(&self.seconds.to_le_bytes());
        bytes[13..17].copy_from_slice(&self.len.to_le_bytes());
        for (field, number) in bytes[17..].chunks_exact_mut(4).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; HEAD];
        from.read_exact(&mut bytes)?;
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let memory = u64::from(number(1)) | u64::from(number(5)) << 32;
        let field = |index: usize| number(17 + index * 4);
        let task = match bytes[0] {
            DRAW => Task::Draw { region: [0, 1, 2, 3].map(field), target: (field(4), field(5)) },
            CLEAN => Task::Clean,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        Ok(Self { task, memory, seconds: number(9), len: number(13) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_arrives_as_it_was_sent() {
        for task in [Task::Draw { region: [1, 2, 3, 4], target: (5, u32::MAX) }, Task::Clean] {
            let job = Job { task, memory: (1 << 40) + 7, seconds: 5, len: 99 };
            assert_eq!(Job::read(&mut &job.encode()[..]).unwrap(), job);
        }
        assert!(Job::read(&mut &[9; HEAD][..]).is_err());
        assert!(Job::read(&mut &[1; HEAD - 1][..]).is_err());
    }
}
