//! Compiles the catalogue under `schema/` to Rust and JSON Schema in `OUT_DIR`, with the program's
//! own compiler, packs the texts that the program has in it, and leaves out what a released one
//! does not need.
use flate2::{Compression, write::DeflateEncoder};
use std::{env, error::Error, fs, io::Write, path::Path};

#[expect(dead_code, reason = "the program uses more of the compiler than its build does")]
#[path = "src/schema/compiler/mod.rs"]
mod compiler;

fn main() -> Result<(), Box<dyn Error>> {
    // What only the program derives on the compiler's types: the build has no schemars.
    println!("cargo::rustc-cfg=program");
    let mut files = Vec::new();
    read("schema".as_ref(), &mut files)?;
    files.sort();
    let lock = fs::exists("schema/lock.json")?.then(|| fs::read_to_string("schema/lock.json")).transpose()?;
    let compiled = compiler::compile(&files, compiler::Options::default());
    let compiled = compiled.and_then(|compiled| compiled.held_to("schema/lock.json", lock.as_deref()));
    compiler::findings(&compiled).iter().for_each(|finding| println!("{}", finding.cargo_directive()));
    for (name, text) in compiled.iter().flat_map(|compiled| compiler::emit::for_build(&compiled.model, &files)) {
        fs::write(Path::new(&env::var("OUT_DIR")?).join(name), text)?;
    }
    leave_out_unwind_tables()?;
    ["src/guide", "src/pages", "src/client", "schema"].into_iter().try_for_each(|folder| pack(folder.as_ref()))
}

/// A released program ends where it panics: nobody reads the tables by which a stack is unwound,
/// and they would be a twelfth of it. Its symbols are stripped, so that a backtrace would name
/// nothing.
fn leave_out_unwind_tables() -> Result<(), Box<dyn Error>> {
    if env::var("PROFILE")? == "release" && env::var("CARGO_CFG_TARGET_OS")? == "linux" {
        let script = Path::new(&env::var("OUT_DIR")?).join("discard.ld");
        fs::write(&script, "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) } } INSERT AFTER .text;\n")?;
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{}", script.display());
    }
    Ok(())
}

/// Deflates each text of that folder into `OUT_DIR/packed`, under its path, without `src`.
fn pack(path: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", path.display());
    if path.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| pack(&entry?.path()));
    }
    let packed = Path::new(&env::var("OUT_DIR")?).join("packed").join(path.strip_prefix("src").unwrap_or(path));
    fs::create_dir_all(packed.parent().ok_or("a file has a folder")?)?;
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    deflated.write_all(&fs::read(path)?)?;
    Ok(fs::write(packed, deflated.finish()?)?)
}

fn read(path: &Path, files: &mut Vec<(String, String)>) -> Result<(), Box<dyn Error>> {
    if path.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| read(&entry?.path(), files));
    } else if let Some(name) = path.to_str().filter(|name| compiler::source::is_catalogue_file(name)) {
        files.push((name.to_owned(), fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?));
    }
    Ok(())
}
