// SPDX-License-Identifier: Apache-2.0
#include "OpenAPIDocument.h"

// #embed is C23; the compilers that Swift brings know it in every mode and say so.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char yaml[] = {
#embed "../../openapi/openapi.yaml"
};

static const unsigned char json[] = {
#embed "../../openapi/openapi.json"
};

const unsigned char *viommud_openapi_yaml(size_t *count) {
  *count = sizeof yaml;
  return yaml;
}

const unsigned char *viommud_openapi_json(size_t *count) {
  *count = sizeof json;
  return json;
}
