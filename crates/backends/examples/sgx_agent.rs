//! A simulated enclave whose program does what its input says, and which can be told to misbehave itself: for
//! `tests/sgx`.
//!
//! ```text
//! sgx_agent PLATFORM SEALED [as it should | mute | chatty | stranger | liar | thief | replay | long | gone]
//! ```

use std::{
    env,
    error::Error,
    io::{self, BufRead, Write},
    path::PathBuf,
    process, thread,
    time::Duration,
};
use zkpool_enclave::{Agent, InstanceKey, Program};
use zkpool_sgx_sim::Simulated;

/// Does what its input says.
struct Whims;

impl Program for Whims {
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        match input {
            b"hang" => loop {
                thread::sleep(Duration::from_secs(1));
            },
            b"die" => {
                eprintln!("out of enclave memory");
                process::exit(9);
            }
            b"fail" => Err("three is not even".into()),
            b"panic" => panic!("not to be repeated"),
            b"environment" => {
                Ok(format!("{:?}", env::vars_os().map(|(name, _)| name).collect::<Vec<_>>()).into_bytes())
            }
            _ => Ok(input.to_vec()),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let (Some(platform), Some(sealed)) = (args.first(), args.get(1)) else {
        return Err("usage: sgx_agent PLATFORM SEALED [MANNER]".into());
    };
    let manner = args.get(2).and_then(|manner| manner.to_str()).unwrap_or_default();
    if manner == "gone" {
        eprintln!("error: no enclave page cache");
        process::exit(3);
    }
    std::fs::create_dir_all(sealed)?;
    let agent = Agent::new(Whims, Simulated::open(platform)?, InstanceKey::load_or_make(sealed)?);
    if manner.is_empty() {
        return Ok(agent.answer_all(io::stdin().lock(), io::stdout().lock())?);
    }
    let mut out = io::stdout().lock();
    if manner == "chatty" {
        writeln!(out, "Gramine is starting.")?;
    }
    let mut first = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let prove = line.contains("\"prove\"");
        let answer = match manner {
            "mute" => continue,
            "stranger" => "{\"result\":{\"hello\":\"world\"},\"id\":1}".into(),
            "long" if prove => "a".repeat(5 << 20),
            // Of another journal than the one that it hands over.
            "liar" if prove => agent.answer(line.as_bytes()).replacen("\"journal\":\"0x", "\"journal\":\"0x00", 1),
            // For itself.
            "thief" if prove => {
                let payee = line.split("\"payee\":\"").nth(1).and_then(|rest| rest.get(..42)).ok_or("no payee")?;
                agent.answer(line.replace(payee, "0x00000000000000000000000000000000000000ee").as_bytes())
            }
            // For another contract.
            "replay" if !line.contains("\"instance\"") => {
                agent.answer(line.replace("\"chain_id\":31337", "\"chain_id\":1337").as_bytes())
            }
            _ => agent.answer(line.as_bytes()),
        };
        // What was asked first is answered again and again.
        let answer = if manner == "echo" { first.get_or_insert(answer).clone() } else { answer };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
