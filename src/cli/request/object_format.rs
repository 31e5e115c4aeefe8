//! An object as kubectl prints it.

use clap::ValueEnum;
use kube::api::{ApiResource, DynamicObject};

use crate::cli::command_error::CommandError;

/// The formats that people know from `kubectl --output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectFormat {
    Name,
    Json,
    Yaml,
}

impl ObjectFormat {
    /// The object, without the fields of its managers, which kubectl leaves out too.
    ///
    /// # Errors
    /// If it cannot be written in this format.
    pub(crate) fn to_text(self, kind: &ApiResource, mut object: DynamicObject) -> Result<String, CommandError> {
        object.metadata.managed_fields = None;
        Ok(match self {
            Self::Name => {
                let name = object.metadata.name.unwrap_or_default();
                format!("{}.{}/{name}\n", kind.kind.to_lowercase(), kind.group)
            }
            Self::Json => serde_json::to_string_pretty(&object)? + "\n",
            Self::Yaml => serde_yaml::to_string(&object)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::AdConversionEvent;

    #[test]
    fn an_object_is_printed_as_kubectl_does() {
        let whole = json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": "won", "namespace": "marketing", "managedFields": [{"manager": "kubectl"}]},
            "spec": {"suspend": true},
        });
        let kind = ApiResource::erase::<AdConversionEvent>(&());
        let text = |format: ObjectFormat| {
            format
                .to_text(&kind, serde_json::from_value(whole.clone()).unwrap())
                .unwrap()
        };
        assert_eq!(text(ObjectFormat::Name), "adconversionevent.adconversion.dev/won\n");
        let mut expected = whole.clone();
        expected["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(
            serde_json::from_str::<Value>(&text(ObjectFormat::Json)).unwrap(),
            expected
        );
        assert_eq!(
            serde_yaml::from_str::<Value>(&text(ObjectFormat::Yaml)).unwrap(),
            expected
        );
    }
}
