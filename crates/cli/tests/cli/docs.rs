//! `docs/cli.md` is the help of every command.

use clap::{Command, CommandFactory};
use std::{fmt::Write, fs, path::Path};
use zkpool_cli::args::Cli;

#[test]
fn the_documented_command_line_is_the_real_one() {
    let mut root = Cli::command().term_width(120);
    root.build();
    let mut text = String::from(
        "# The command line\n\nGenerated from the program's help by a test of `crates/cli`, which keeps it fresh.\n",
    );
    describe(&root, "", &mut text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("ZKPOOL_UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let documented = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        documented == text,
        "docs/cli.md is stale: run this test with ZKPOOL_UPDATE_SNAPSHOTS=1 and review the difference"
    );
}

#[test]
fn every_command_and_flag_is_explained() {
    let mut root = Cli::command();
    root.build();
    fn check(command: &Command) {
        assert!(command.get_about().is_some(), "`{}` says nothing about itself", command.get_name());
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            assert!(argument.get_help().is_some(), "{} {} is not explained", command.get_name(), argument.get_id());
        }
        command.get_subcommands().filter(|next| next.get_name() != "help").for_each(check);
    }
    check(&root);
}

fn describe(command: &Command, before: &str, text: &mut String) {
    let name = format!("{before}{}", command.get_name());
    // What applies to every command is explained once.
    let globals: Vec<_> =
        command.get_arguments().filter(|argument| argument.is_global_set()).map(|a| a.get_id().clone()).collect();
    let mut shown = command.clone().bin_name(&name).term_width(120);
    if !before.is_empty() {
        for id in globals {
            shown = shown.mut_arg(id, |argument| argument.hide(true));
        }
    }
    let help = shown.render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    write!(text, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()).unwrap();
    for next in command.get_subcommands().filter(|next| !next.is_hide_set() && next.get_name() != "help") {
        describe(next, &format!("{name} "), text);
    }
}
