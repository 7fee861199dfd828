// SPDX-License-Identifier: Apache-2.0
#ifndef VIOMMUD_OPENAPI_DOCUMENT_H
#define VIOMMUD_OPENAPI_DOCUMENT_H

#include <stddef.h>

// The OpenAPI document of the API, compiled in so that the server is one file.
// Each returns the bytes and stores their number.
const unsigned char *viommud_openapi_yaml(size_t *count);
const unsigned char *viommud_openapi_json(size_t *count);

#endif
