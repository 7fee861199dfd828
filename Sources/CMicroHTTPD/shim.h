// SPDX-License-Identifier: Apache-2.0
#ifndef VIOMMUD_CMICROHTTPD_SHIM_H
#define VIOMMUD_CMICROHTTPD_SHIM_H

#include <microhttpd.h>

#endif
