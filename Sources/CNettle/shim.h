// SPDX-License-Identifier: Apache-2.0
#ifndef VIOMMUD_CNETTLE_SHIM_H
#define VIOMMUD_CNETTLE_SHIM_H

#include <nettle/sha2.h>
#include <nettle/version.h>

/// Writes the digest of what was added, SHA256_DIGEST_SIZE bytes.
///
/// Nettle 4 has dropped the length that this function took before.
static inline void
viommud_sha256_digest (struct sha256_ctx *context, uint8_t *digest)
{
#if NETTLE_VERSION_MAJOR >= 4
  sha256_digest (context, digest);
#else
  sha256_digest (context, SHA256_DIGEST_SIZE, digest);
#endif
}

#endif
