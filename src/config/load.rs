//! Where the configuration is read from: when a hub starts, and again while it runs.

use super::keys::NO_KEY;
use super::{Config, ConfigError, ConfigErrors, FILE_DEFAULT, FILE_VARIABLE, Flags, Setting, Sources, file};
use std::io;
use std::path::{Path, PathBuf};

/// The file and its text, if there is one.
pub(crate) type Given = Option<(PathBuf, String)>;

impl Config {
    /// Reads file, environment and flags.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, also a file that can't be read.
    pub fn load(flags: &Flags, variables: Vec<(String, String)>) -> Result<Config, ConfigErrors> {
        let given = Config::given(flags, &variables).map_err(|error| ConfigErrors(vec![error]))?;
        Config::load_given(given, flags, variables)
    }

    /// As [`Config::load`], for a hub that was started with the file `former`, if with one: without
    /// it the defaults would hold, which let in more than what it said.
    ///
    /// # Errors
    /// A line for everything that is wrong; also where that file can't be read now.
    pub(crate) fn load_again(
        flags: &Flags,
        variables: Vec<(String, String)>,
        former: Option<&Path>,
    ) -> Result<Config, String> {
        let given = match former {
            Some(path) => {
                let unread = |error: io::Error| {
                    let name = path.display();
                    format!("{name}, which this hub was started with, can't be read: {error}; nothing changes")
                };
                Some((path.to_owned(), file::read(path).map_err(unread)?))
            }
            None => Config::given(flags, &variables).map_err(|error| error.to_string())?,
        };
        Config::load_given(given, flags, variables).map_err(|errors| errors.to_string())
    }

    /// Reads the file that flags or environment name, or the usual one if it is there.
    ///
    /// # Errors
    /// It can't be read, or one is named that is not there.
    pub(crate) fn given(flags: &Flags, variables: &[(String, String)]) -> Result<Given, ConfigError> {
        let by_variable = variables.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
        let named = flags.config.clone().or_else(|| by_variable.map(|(_, path)| PathBuf::from(path)));
        let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE_DEFAULT));
        match file::read(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(ConfigError { place: path.display().to_string(), message: format!("can't be read: {error}") })
            }
        }
    }

    /// Makes a configuration of a file that has been read, environment and flags.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub(crate) fn load_given(
        file: Given,
        flags: &Flags,
        variables: Vec<(String, String)>,
    ) -> Result<Config, ConfigErrors> {
        let alone = |place: &str, message: &str| {
            ConfigErrors(vec![ConfigError { place: place.to_owned(), message: message.to_owned() }])
        };
        let mut settings = Vec::new();
        for text in &flags.set {
            settings.push(Setting::parse(text, "--set").ok_or_else(|| alone("--set", Setting::FORM))?);
        }
        let read = |path: &Path| file::read(path);
        let has_file = file.is_some();
        let made = Config::from_sources(Sources { file, variables, settings, read: &read });
        let mut config = made.map_err(|errors| if has_file { errors } else { without_file(errors) })?;
        if !flags.schema_dirs.is_empty() {
            config.schema_dirs.clone_from(&flags.schema_dirs);
        }
        Ok(config)
    }
}

/// Says with the advice about a key that no file was found, and where: most often the key is in
/// one, and the folder is another.
fn without_file(ConfigErrors(mut errors): ConfigErrors) -> ConfigErrors {
    let folder = std::env::current_dir().map_or_else(|_| "this folder".to_owned(), |path| path.display().to_string());
    for error in errors.iter_mut().filter(|error| error.message == NO_KEY) {
        error.message = format!(
            "there is no {FILE_DEFAULT} in {folder}, and neither --config nor {FILE_VARIABLE} names one; and {NO_KEY}"
        );
    }
    ConfigErrors(errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SECRET: &str = "q7#Lw0)vT2mZ!eR9xK4uB6yH1sD8fG3a";

    fn variables() -> Vec<(String, String)> {
        vec![("RTE_AUTH_SECRET".to_owned(), SECRET.to_owned())]
    }

    #[test]
    fn a_file_that_a_hub_was_started_with_and_is_gone_is_no_reload_without_it() {
        let folder = std::env::temp_dir().join(format!("rte-load-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("rte.toml");
        fs::write(&path, "[auth]\nissuer = \"pbx\"\n").unwrap();
        let named = Flags { config: Some(path.clone()), ..Flags::default() };
        let started = Config::load(&named, variables()).unwrap();
        assert_eq!(started.file.as_ref(), Some(&path));
        let again = |flags: &Flags| Config::load_again(flags, variables(), started.file.as_deref());
        assert_eq!(again(&named).unwrap().settings, started.settings);
        fs::remove_dir_all(&folder).unwrap();
        // One that was found in the folder is named by nobody.
        for flags in [named, Flags::default()] {
            let why = again(&flags).unwrap_err();
            let expected = format!("{}, which this hub was started with, can't be read: ", path.display());
            assert!(why.starts_with(&expected) && why.ends_with("; nothing changes"), "{why}");
        }
    }

    #[test]
    fn a_hub_that_was_started_without_a_file_is_reloaded_without_one() {
        let started = Config::load(&Flags::default(), variables()).unwrap();
        let again = Config::load_again(&Flags::default(), variables(), started.file.as_deref()).unwrap();
        assert_eq!((started.file, again.file, again.settings), (None, None, started.settings));
    }

    #[test]
    fn without_a_file_and_a_key_it_is_said_where_no_file_is_before_what_to_do() {
        let told = Config::load(&Flags::default(), Vec::new()).unwrap_err().to_string();
        let folder = std::env::current_dir().unwrap();
        let expected = format!(
            "configuration: there is no rte.toml in {}, and neither --config nor RTE_CONFIG names one; and there is no key ",
            folder.display()
        );
        assert!(told.starts_with(&expected) && told.contains("RTE_AUTH_SECRET="), "{told}");
    }
}
