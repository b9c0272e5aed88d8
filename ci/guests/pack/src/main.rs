//! `guest-pack ELF OUT`: packs a guest's ELF with the zkVM's kernel into OUT and prints its image id (hex).

use std::{env, error::Error, fs};

use risc0_binfmt::ProgramBinary;
use risc0_zkos_v1compat::V1COMPAT_ELF;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [elf, out] = arguments.as_slice() else {
        return Err("usage: guest-pack ELF OUT".into());
    };
    let elf = fs::read(elf)?;
    let program = ProgramBinary::new(&elf, V1COMPAT_ELF);
    let image = program.compute_image_id()?;
    fs::write(out, program.encode())?;
    println!("{image}");
    Ok(())
}
