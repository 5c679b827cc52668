/* A one-file HTTP server whose answers come from its environment; built with -static into an image FROM scratch.
 *
 * PORT        port to listen on (8080)
 * ROUTES      "path=status path=status ..."; the query string is not part of the path
 * DEFAULT     status of every other path (404)
 * READY_AFTER seconds during which every path answers 503
 * EXIT_AFTER  seconds after which the process exits with EXIT_CODE; unset: it stays
 * STALL       a path that is read and never answered
 * MARK        a word that the log and every body carry
 * A path with /env/NAME or /resolve/NAME in it gets the variable, or the addresses of the host name, as X-Answer.
 * `server check` exits with HEALTH_EXIT: a container health check.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char *env(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value ? value : otherwise;
}

static void leave(int signal) {
  printf("stopped by signal %d\n", signal);
  exit(0);
}

static void expire(int signal) {
  (void)signal;
  printf("last words of %s\n", env("MARK", "nobody"));
  exit(atoi(env("EXIT_CODE", "0")));
}

static int status_of(const char *path) {
  char routes[4096], *rest = routes, *entry;
  snprintf(routes, sizeof routes, "%s", env("ROUTES", ""));
  while ((entry = strsep(&rest, " "))) {
    char *equals = strchr(entry, '=');
    if (!equals) continue;
    *equals = 0;
    if (!strcmp(entry, path)) return atoi(equals + 1);
  }
  return atoi(env("DEFAULT", "404"));
}

static void lookup(const char *path, char *found, size_t size) {
  char *name;
  found[0] = 0;
  if ((name = strstr(path, "/env/"))) snprintf(found, size, "%s", env(name + 5, ""));
  if (!(name = strstr(path, "/resolve/"))) return;
  struct hostent *host = gethostbyname(name + 9);
  for (int i = 0; host && host->h_addr_list[i]; i++) {
    size_t length = strlen(found);
    snprintf(found + length, size - length, "%s%s", i ? " " : "", inet_ntoa(*(struct in_addr *)host->h_addr_list[i]));
  }
}

static void answer(int client, time_t started) {
  char request[65536], path[4096] = "", reply[75000], found[4096];
  size_t length = 0;
  ssize_t got;
  char *end = NULL;
  while (length < sizeof request - 1 && (got = read(client, request + length, sizeof request - 1 - length)) > 0) {
    length += got;
    request[length] = 0;
    if (!(end = strstr(request, "\r\n\r\n"))) continue;
    char *size = strcasestr(request, "content-length:");
    if (!size || strlen(end + 4) >= strtoul(size + 15, NULL, 10)) break;
  }
  if (!end || sscanf(request, "%*s %4095s", path) != 1) return;
  path[strcspn(path, "?")] = 0;
  if (!strcmp(path, env("STALL", ""))) { sleep(3600); return; }
  int status = time(NULL) - started < atoi(env("READY_AFTER", "0")) ? 503 : status_of(path);
  lookup(path, found, sizeof found);
  int written = snprintf(reply, sizeof reply,
      "HTTP/1.1 %d Fine\r\nContent-Type: text/plain\r\nX-Mark: %s\r\nX-Answer: %s\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n%s",
      status, env("MARK", "nobody"), found, strlen(env("MARK", "nobody")) + 1 + length, env("MARK", "nobody"), request);
  if (write(client, reply, written) < 0) return;
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "check")) return atoi(env("HEALTH_EXIT", "0"));
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGTERM, leave);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  signal(SIGALRM, expire);
  printf("hello from %s\n", env("MARK", "nobody"));
  time_t started = time(NULL);
  if (getenv("EXIT_AFTER")) {
    int seconds = atoi(getenv("EXIT_AFTER"));
    if (seconds == 0) expire(SIGALRM);
    alarm(seconds);
  }
  int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(env("PORT", "8080")))};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 64)) return 1;
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    if (fork() == 0) {
      signal(SIGTERM, SIG_DFL);
      answer(client, started);
      _exit(0);
    }
    close(client);
  }
}
