//! `rte metrics`: what Prometheus and Grafana need beside `/metrics`.

use super::console::Console;
use super::failure::Failure;
use super::schema::write;
use crate::guide::alerts;
use std::path::PathBuf;

const LONG: &str = "\
Writes what an operator needs to watch a hub by its /metrics. No hub is needed.

Example:
  rte metrics export /etc/prometheus/rte";

const LONG_EXPORT: &str = "\
Writes into a folder rules.yml, the alerts for Prometheus, and dashboard.json, which Grafana imports: a panel for each metric. The \
folder is made; files of the same names are overwritten. `rte help alerts` and `rte help metrics` list what is in them.

Example:
  rte metrics export /etc/prometheus/rte";

/// Works with metrics.
#[derive(clap::Args)]
#[command(about = "Write alerts and a dashboard for the metrics", long_about = LONG, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Export(Export),
}

/// Writes alerts and a dashboard.
#[derive(clap::Args)]
#[command(about = "Write rules.yml for Prometheus and dashboard.json for Grafana", long_about = LONG_EXPORT)]
struct Export {
    /// Where to
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs one of the commands: writes the files, and the path of each.
///
/// # Errors
/// [`Failure::Refused`] where a file cannot be written.
pub fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let Command::Export(Export { folder }) = &args.command;
    for (name, text) in [("rules.yml", alerts::rules()), ("dashboard.json", alerts::dashboard())] {
        let path = folder.join(name);
        write(&path, text.as_bytes())?;
        console.line(format_args!("{}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::tests::console_on_paper;

    #[test]
    fn the_files_are_written_and_named_and_the_same_twice() {
        let folder = std::env::temp_dir().join(format!("rte-metrics-{}", std::process::id()));
        let args = Args { command: Command::Export(Export { folder: folder.join("new") }) };
        let export = || {
            let (mut console, results, _) = console_on_paper();
            run(&args, &mut console).unwrap();
            console.flush().unwrap();
            results.text().lines().map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
        };
        let files = export();
        assert!(files.len() == 2 && files[0].contains("alert: RteFull") && files[1].contains("\"schemaVersion\""));
        assert_eq!(files, export());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
