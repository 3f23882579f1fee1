use std::{fs, path::Path};

use crate::Error;

/// Writes texts under their names into a folder, which is made if it is not there.
pub(super) fn write(folder: &Path, files: &[(&str, String)]) -> Result<(), Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    fs::create_dir_all(folder).map_err(at(folder))?;
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(at(&path))?;
    }
    Ok(())
}
