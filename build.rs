//! Compiles the catalogue under `schema/` to Rust and JSON Schema in `OUT_DIR`, with the program's own compiler.
use std::{env, error::Error, fs, io, path::Path};

#[expect(dead_code, reason = "the running program uses more of the compiler than its build does")]
#[path = "src/schema/compiler/mod.rs"]
mod compiler;

#[expect(
    clippy::print_stdout,
    reason = "Cargo reads what a build script prints, and fails the build after cargo::error"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=schema");
    let mut files = read_folder(Path::new("schema"))?;
    files.sort();
    let compiled = compiler::compile(&files, compiler::Options::default());
    let findings = compiled.as_ref().map_or_else(|findings| findings, |compiled| &compiled.warnings);
    findings.iter().for_each(|finding| println!("{}", finding.cargo_directive()));
    for (name, text) in compiled.iter().flat_map(|compiled| compiler::emit::for_build(&compiled.model, &files)) {
        fs::write(Path::new(&env::var("OUT_DIR")?).join(name), text)?;
    }
    Ok(())
}

fn read_folder(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let read = |path: &Path| match path.to_string_lossy().into_owned() {
        _ if path.is_dir() => read_folder(path),
        name if compiler::source::is_catalogue_file(&name) => Ok(vec![(name, fs::read_to_string(path)?)]),
        _ => Ok(Vec::new()),
    };
    Ok(fs::read_dir(folder)?.map(|entry| read(&entry?.path())).collect::<io::Result<Vec<_>>>()?.concat())
}
