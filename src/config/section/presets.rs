//! Named specs. The grammar itself is checked where it lives, in `transform`.

use std::collections::BTreeMap;

use super::validate_name;

/// `name: spec`, used as `t_name`.
pub type Presets = BTreeMap<String, String>;

pub(in crate::config) fn validate_specs(
    section: &str,
    specs: &BTreeMap<String, String>,
) -> Result<(), String> {
    for (name, spec) in specs {
        validate_name(section, name)?;
        if spec.trim().is_empty() {
            return Err(format!("`{section}.{name}` is empty; write a spec like `w_128,h_128`"));
        }
    }
    Ok(())
}
