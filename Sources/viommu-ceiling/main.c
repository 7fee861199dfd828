// SPDX-License-Identifier: Apache-2.0
//
// The ceiling: how fast libmicrohttpd can answer when nothing has to be done for it. One internal
// epoll thread, answers that are made once. GET and POST answer with the same 300 bytes of JSON,
// DELETE with a receipt. It listens on a free loopback port, prints it, and ends with its input.
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BODY_SIZE 300

static struct MHD_Response *object;
static struct MHD_Response *receipt;

static enum MHD_Result
handle (void *context, struct MHD_Connection *connection, const char *url, const char *method,
        const char *version, const char *upload, size_t *upload_size, void **request)
{
  static int seen;

  (void) context, (void) url, (void) version, (void) upload;
  if (NULL == *request)
  {
    *request = &seen;
    return MHD_YES;
  }
  if (0 != *upload_size)
  {
    *upload_size = 0;
    return MHD_YES;
  }
  if ('P' == method[0])
    return MHD_queue_response (connection, MHD_HTTP_CREATED, object);
  return MHD_queue_response (connection, MHD_HTTP_OK, 'D' == method[0] ? receipt : object);
}

static struct MHD_Response *
make_response (char *body, size_t size)
{
  struct MHD_Response *response =
    MHD_create_response_from_buffer (size, body, MHD_RESPMEM_PERSISTENT);

  if (NULL != response)
    MHD_add_response_header (response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
  return response;
}

int
main (void)
{
  static char body[BODY_SIZE];
  static char deleted[] = "{\"deleted\":[{\"kind\":\"ioas\",\"id\":\"ioas-1\"}],\"seq\":1}";
  struct sockaddr_in address = {.sin_family = AF_INET};
  struct MHD_Daemon *daemon;
  const union MHD_DaemonInfo *info;

  memset (body, 'a', sizeof (body));
  memcpy (body, "{\"id\":\"", 7);
  memcpy (body + sizeof (body) - 2, "\"}", 2);
  object = make_response (body, sizeof (body));
  receipt = make_response (deleted, strlen (deleted));
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  daemon = MHD_start_daemon (
    MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, &handle, NULL,
    MHD_OPTION_SOCK_ADDR, (struct sockaddr *) &address, MHD_OPTION_END);
  if (NULL == daemon || NULL == object || NULL == receipt)
    return 1;
  info = MHD_get_daemon_info (daemon, MHD_DAEMON_INFO_BIND_PORT);
  printf ("%u\n", NULL == info ? 0 : info->port);
  fflush (stdout);
  while (EOF != getchar ())
    ;
  MHD_stop_daemon (daemon);
  MHD_destroy_response (object);
  MHD_destroy_response (receipt);
  return 0;
}
