/* Asks its C library for a name and contacts what it is told, once for each line it reads: a name, or an address, and how it asks. Also
   leaves a call by a jump, and asks DNS itself. */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(struct in_addr address)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr = address };
    int contact = socket(AF_INET, SOCK_STREAM, 0);
    int failed = connect(contact, (struct sockaddr *)&to, sizeof to);
    close(contact);
    return failed;
}

static int told(const struct hostent *host, struct in_addr *address)
{
    if (host == NULL || host->h_addr_list[0] == NULL)
        return 1;
    memcpy(address, host->h_addr_list[0], sizeof *address);
    return 0;
}

static int ask(const char *how, const char *name, struct in_addr *address)
{
    struct hostent host, *found = NULL;
    char buffer[8192];
    int error;
    if (strcmp(how, "getaddrinfo") == 0) {
        struct addrinfo hints = { .ai_family = AF_INET }, *list;
        if (getaddrinfo(name, "80", &hints, &list) != 0)
            return 1;
        *address = ((struct sockaddr_in *)list->ai_addr)->sin_addr;
        freeaddrinfo(list);
        return 0;
    }
    if (strcmp(how, "gethostbyname") == 0)
        return told(gethostbyname(name), address);
    if (strcmp(how, "gethostbyname2") == 0)
        return told(gethostbyname2(name, AF_INET), address);
    if (strcmp(how, "gethostbyname_r") == 0) {
        /* Too small a buffer first, as some programs have it. */
        int failed = gethostbyname_r(name, &host, buffer, 8, &found, &error);
        if (failed == ERANGE)
            failed = gethostbyname_r(name, &host, buffer, sizeof buffer, &found, &error);
        return failed || told(found, address);
    }
    return gethostbyname2_r(name, AF_INET, &host, buffer, sizeof buffer, &found, &error) || told(found, address);
}

static sigjmp_buf out;

static void leave(int number)
{
    siglongjmp(out, number);
}

/* Nobody answers, and after a while it does something else: as programs of long ago set a limit. */
static int leaves(const char *name)
{
    struct in_addr address;
    if (sigsetjmp(out, 1) != 0)
        return 0;
    signal(SIGALRM, leave);
    alarm(1);
    ask("getaddrinfo", name, &address);
    return 1;
}

/* The same, and it is the program's end. */
static int dies(const char *name)
{
    struct in_addr address;
    signal(SIGALRM, SIG_DFL);
    alarm(1);
    ask("getaddrinfo", name, &address);
    return 1;
}

/* A question of its own (RFC 1035 section 4), for an address, to whom the library asks. */
static int asks_dns(const char *name)
{
    unsigned char message[300] = { 0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 }, *at = message + 12;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
    inet_aton("10.77.0.9", &to.sin_addr);
    while (*name != 0) {
        size_t length = strcspn(name, ".");
        *at++ = length;
        memcpy(at, name, length);
        at += length;
        name += length + (name[length] == '.');
    }
    memcpy(at, "\0\0\1\0\1", 5);
    int contact = socket(AF_INET, SOCK_DGRAM, 0);
    ssize_t sent = sendto(contact, message, at + 5 - message, 0, (struct sockaddr *)&to, sizeof to);
    close(contact);
    return sent < 0;
}

int main(void)
{
    char how[32], name[256];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (scanf("%31s %255s", how, name) == 2) {
        struct in_addr address;
        int (*special)(const char *) = strcmp(how, "leaves") == 0 ? leaves
            : strcmp(how, "dies") == 0                            ? dies
            : strcmp(how, "asks_dns") == 0                        ? asks_dns
                                                                  : NULL;
        if (special != NULL) {
            puts(special(name) ? "it went on" : "done");
            continue;
        }
        int failed = strcmp(how, "literal") == 0 ? !inet_aton(name, &address) : ask(how, name, &address);
        puts(failed ? "nobody knows it" : connect_to(address) ? "no contact" : "done");
    }
    return 0;
}
