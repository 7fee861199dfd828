// SPDX-License-Identifier: Apache-2.0

/// The API's OpenAPI document, as the build puts it together from the files in `openapi/` and
/// compiles it in.
///
/// `openapi-bundle` makes its two members, `yaml` and `json`.
public enum OpenAPIDocument {}
