//! The binary: arguments, the real outside, the terminal, exit codes. Everything else is in the libraries.

mod args;
mod changes;
mod commands;
mod component_pages;
mod components;
mod diagnostics;
mod exit;
mod failure;
mod fetch;
mod files;
mod fix;
mod graph;
mod lock;
mod outputs;
mod panic;
mod plan_file;
mod plan_json;
mod plan_shape;
mod plan_text;
mod reference;
mod reuse;
mod run;
#[cfg(test)]
mod sample;
mod schema_rows;
mod state;
mod table;
mod terminal;
mod value_text;
mod world;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Parsed;
use exit::Exit;
use failure::Failure;
use terminal::Terminal;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before any thread and any allocation worth the name: this process becomes the inside of a namespace.
    #[cfg(feature = "rootfs")]
    if arguments
        .get(1)
        .is_some_and(|first| first == imgc_rootfs::HELPER_WORD)
    {
        return imgc_rootfs::helper_main(arguments.into_iter().skip(2));
    }
    panic::install();
    let outcome = std::panic::catch_unwind(|| run(arguments));
    let exit = match outcome {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            terminal::complain(&failure.text());
            failure.exit
        }
        // The hook has said what there is to say.
        Err(_) => Exit::Bug,
    };
    ExitCode::from(exit.code())
}

fn run(arguments: Vec<OsString>) -> Result<Exit, Failure> {
    match args::parse(arguments)? {
        Parsed::Run(cli) => {
            let terminal = Terminal::new(&cli.display);
            commands::run(*cli, terminal)
        }
        Parsed::Show(text) => terminal::print(&text).map(|()| Exit::Done),
    }
}
