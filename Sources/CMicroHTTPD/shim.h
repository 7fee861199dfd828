// SPDX-License-Identifier: Apache-2.0
//
// What Swift cannot import from microhttpd.h by itself: variadic functions, and macros that are
// no literals; and Linux headers that the C library's module leaves out. Nothing here
// decides anything but what a query is good for.
#ifndef VIOMMUD_CMICROHTTPD_SHIM_H
#define VIOMMUD_CMICROHTTPD_SHIM_H

#include <microhttpd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

typedef void *(*viommud_uri_callback) (void *cls, const char *uri,
                                       struct MHD_Connection *connection);

/// Everything that one daemon is started with.
struct viommud_daemon_options
{
  /// Connections open at once.
  unsigned int connection_limit;
  /// Seconds without traffic after which a connection is closed.
  unsigned int idle_seconds;
  /// Bytes of memory for each connection: header section, and one piece of a body.
  size_t connection_memory;
  /// How strictly requests are parsed; the meaning of a level differs between releases.
  int strictness;
  /// Passed to each of the callbacks.
  void *context;
  MHD_LogCallback log;
  viommud_uri_callback begin;
  MHD_AccessHandlerCallback handle;
  MHD_RequestCompletedCallback completed;
  MHD_NotifyConnectionCallback connection;
};

#if MHD_VERSION >= 0x00097701
#define VIOMMUD_STRICTNESS MHD_OPTION_CLIENT_DISCIPLINE_LVL
#else
#define VIOMMUD_STRICTNESS MHD_OPTION_STRICT_FOR_CLIENT
#endif

/// Starts a daemon that has no thread and no listener: whoever calls this drives it by `MHD_run`,
/// and hands connections to it.
static inline struct MHD_Daemon *
viommud_start_daemon (const struct viommud_daemon_options *options)
{
  return MHD_start_daemon (
    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET,
    0, NULL, NULL,
    options->handle, options->context,
    MHD_OPTION_EXTERNAL_LOGGER, options->log, options->context,
    MHD_OPTION_CONNECTION_LIMIT, options->connection_limit,
    MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory,
    VIOMMUD_STRICTNESS, options->strictness,
    MHD_OPTION_URI_LOG_CALLBACK, options->begin, options->context,
    MHD_OPTION_NOTIFY_COMPLETED, options->completed, options->context,
    MHD_OPTION_NOTIFY_CONNECTION, options->connection, options->context,
    MHD_OPTION_END);
}

/// `accept4`, an extension that its header shows only to those who ask for all of them. The flags
/// are those of `socket`.
extern int accept4 (int listener, struct sockaddr *address, socklen_t *length, int flags);

/// Hands a connection to a daemon, which closes the socket also when it does not take it.
///
/// The library wants the client's address for what it does by address, which is nothing here. Its
/// family tells it whether the socket is TCP's.
static inline bool
viommud_add_connection (struct MHD_Daemon *daemon, int socket, bool is_unix)
{
  struct sockaddr address = { .sa_family = is_unix ? AF_UNIX : AF_INET };
  return MHD_YES == MHD_add_connection (daemon, socket, &address, sizeof address);
}

/// The descriptor that is readable whenever the daemon has something to do; -1 without one.
static inline int
viommud_epoll_descriptor (struct MHD_Daemon *daemon)
{
  const union MHD_DaemonInfo *info = MHD_get_daemon_info (daemon, MHD_DAEMON_INFO_EPOLL_FD);
  return NULL == info ? -1 : info->epoll_fd;
}

static inline int
viommud_connection_socket (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info =
    MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return NULL == info ? -1 : info->connect_fd;
}

/// Whether a connection was handed over as one of a Unix socket.
static inline bool
viommud_connection_is_unix (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info =
    MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return NULL != info && NULL != info->client_addr && AF_UNIX == info->client_addr->sa_family;
}

/// What the connection callback has stored for this connection.
static inline void *
viommud_connection_context (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info =
    MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return NULL == info ? NULL : info->socket_context;
}

/// Bytes from the method to the empty line behind the header section; 0 if not known.
static inline size_t
viommud_head_size (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info =
    MHD_get_connection_info (connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return NULL == info ? 0 : info->header_size;
}

/// Makes the end of the connection the end of the response: no length, no chunks.
static inline void
viommud_delimit_by_close (struct MHD_Response *response)
{
  MHD_set_response_options (response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
}

/// Hides the query from the library, which would take it apart into the connection's memory.
///
/// Nobody reads its parameters, and 0.9.75 closes the connection without a word when they do not
/// fit, as some 500 do not. The buffer behind `uri` is the library's read buffer, so it may be written to.
static inline void
viommud_hide_query (const char *uri)
{
  char *mark = strchr ((char *) uri, '?');
  if (NULL != mark)
    mark[1] = '\0';
}

/// Hides a header field from the library's own look-ups, which go by its name.
///
/// The buffer behind `name` is the library's read buffer, as above.
static inline void
viommud_hide_field (const char *name)
{
  ((char *) name)[0] = '-';
}

/// Names the calling thread, for debuggers and `top`.
static inline void
viommud_name_thread (const char *name)
{
  prctl (PR_SET_NAME, name);
}

static const unsigned int viommud_connection_started = MHD_CONNECTION_NOTIFY_STARTED;
static const uint64_t viommud_size_unknown = MHD_SIZE_UNKNOWN;
static const ssize_t viommud_end_of_stream = MHD_CONTENT_READER_END_OF_STREAM;
static const ssize_t viommud_end_with_error = MHD_CONTENT_READER_END_WITH_ERROR;

#endif
