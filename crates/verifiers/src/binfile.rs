//! The container that snarkjs keeps its files in (`.zkey`, `.wtns`, `.r1cs`): a magic word, a version, and sections of
//! an id and a length each.
//!
//! [`BinFile::open`] reads the table of sections alone and holds it against the file's length, so every later read is
//! of a range that exists. Format: iden3 `binfileutils`.

use std::io::{self, Read, Seek, SeekFrom};

/// More sections than any file of snarkjs has.
const MAX_SECTIONS: u32 = 64;

/// A container whose table of sections is sound.
pub struct BinFile<R> {
    reader: R,
    sections: Vec<Section>,
}

#[derive(Clone, Copy)]
struct Section {
    id: u32,
    start: u64,
    len: u64,
}

impl<R: Read + Seek> BinFile<R> {
    /// Reads the header and the table of sections.
    ///
    /// # Errors
    ///
    /// [`BinFileError`], if the magic word or the version is another, a section is there twice or reaches beyond the
    /// end, or bytes follow the last section.
    pub fn open(mut reader: R, magic: &'static str, version: u32) -> Result<Self, BinFileError> {
        let end = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(0))?;
        let mut found = [0; 4];
        read_exact(&mut reader, &mut found)?;
        if found != magic.as_bytes() {
            return Err(BinFileError::Magic { expected: magic });
        }
        let found = read_u32(&mut reader)?;
        if found != version {
            return Err(BinFileError::Version { magic, expected: version, found });
        }
        let count = read_u32(&mut reader)?;
        if count > MAX_SECTIONS {
            return Err(BinFileError::TooManySections { found: count, max: MAX_SECTIONS });
        }

        let mut sections: Vec<Section> = Vec::new();
        let mut at: u64 = 12;
        for _ in 0..count {
            let id = read_u32(&mut reader)?;
            let mut len = [0; 8];
            read_exact(&mut reader, &mut len)?;
            let len = u64::from_le_bytes(len);
            let start = at + 12;
            at = start.checked_add(len).filter(|next| *next <= end).ok_or(BinFileError::SectionBeyondEnd { id })?;
            if sections.iter().any(|section| section.id == id) {
                return Err(BinFileError::DuplicateSection { id });
            }
            sections.push(Section { id, start, len });
            reader.seek(SeekFrom::Start(at))?;
        }
        if at != end {
            return Err(BinFileError::TrailingBytes);
        }
        Ok(Self { reader, sections })
    }

    /// A section's length in bytes.
    ///
    /// # Errors
    ///
    /// [`BinFileError::MissingSection`].
    pub fn len_of(&self, id: u32) -> Result<u64, BinFileError> {
        self.section(id).map(|section| section.len)
    }

    /// A reader of a section that must be exactly `len` bytes long; it ends where the section ends.
    ///
    /// # Errors
    ///
    /// [`BinFileError`], if the section is missing or of another length.
    pub fn section_of_len(&mut self, id: u32, len: u64) -> Result<io::Take<&mut R>, BinFileError> {
        let section = self.section(id)?;
        if section.len != len {
            return Err(BinFileError::SectionLength { id, expected: len, found: section.len });
        }
        self.reader.seek(SeekFrom::Start(section.start))?;
        Ok(self.reader.by_ref().take(len))
    }

    fn section(&self, id: u32) -> Result<Section, BinFileError> {
        self.sections.iter().find(|section| section.id == id).copied().ok_or(BinFileError::MissingSection { id })
    }
}

/// Reads exactly as many bytes as `bytes` holds.
///
/// # Errors
///
/// [`BinFileError::Truncated`] at the end of the file.
pub fn read_exact(reader: &mut impl Read, bytes: &mut [u8]) -> Result<(), BinFileError> {
    reader.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => BinFileError::Truncated,
        _ => BinFileError::Io(error),
    })
}

/// Reads a little-endian word.
///
/// # Errors
///
/// [`BinFileError::Truncated`] at the end of the file.
pub fn read_u32(reader: &mut impl Read) -> Result<u32, BinFileError> {
    let mut word = [0; 4];
    read_exact(reader, &mut word)?;
    Ok(u32::from_le_bytes(word))
}

/// Why a file is not a sound container.
#[derive(Debug, thiserror::Error)]
pub enum BinFileError {
    /// The file cannot be read.
    #[error("cannot read the file")]
    Io(#[from] io::Error),
    /// The file ends too early.
    #[error("the file ends too early: fetch it again")]
    Truncated,
    /// Another kind of file.
    #[error("the file is not a .{expected} file")]
    Magic {
        /// The magic word of the kind that was asked for.
        expected: &'static str,
    },
    /// Another version of the format.
    #[error(".{magic} version {found} is not known, only {expected} is: write the file with a current snarkjs")]
    Version {
        /// The file's magic word.
        magic: &'static str,
        /// The version that is known.
        expected: u32,
        /// The file's.
        found: u32,
    },
    /// More sections than any sound file has.
    #[error("the file claims {found} sections, more than {max}")]
    TooManySections {
        /// The file's claim.
        found: u32,
        /// The bound.
        max: u32,
    },
    /// A section is longer than the rest of the file.
    #[error("section {id} reaches beyond the end of the file: fetch it again")]
    SectionBeyondEnd {
        /// The section.
        id: u32,
    },
    /// A section is there twice.
    #[error("section {id} is there twice")]
    DuplicateSection {
        /// The section.
        id: u32,
    },
    /// A section is not there.
    #[error("section {id} is missing")]
    MissingSection {
        /// The section.
        id: u32,
    },
    /// A section is of another length than the header says.
    #[error("section {id} is {found} bytes long, but the header makes it {expected}")]
    SectionLength {
        /// The section.
        id: u32,
        /// By the header.
        expected: u64,
        /// By the table of sections.
        found: u64,
    },
    /// Something follows the last section.
    #[error("bytes follow the last section")]
    TrailingBytes,
}
