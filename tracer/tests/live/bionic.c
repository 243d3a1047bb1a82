/* A stand-in for bionic, and a program that asks it. The library has the names, the arguments and the structures of bionic's functions, as its
   public header netdb.h and Android's netd_client have them, and knows two names. Each function calls the one that knows more. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As BSD has it: the name precedes the address. */
struct addrinfo {
    int ai_flags, ai_family, ai_socktype, ai_protocol;
    socklen_t ai_addrlen;
    char *ai_canonname;
    struct sockaddr *ai_addr;
    struct addrinfo *ai_next;
};
struct hostent {
    char *h_name, **h_aliases;
    int h_addrtype, h_length;
    char **h_addr_list;
};
struct android_net_context {
    unsigned app_netid, app_mark, dns_netid, dns_mark;
    unsigned uid, flags;
};
typedef const struct addrinfo *Wishes;
typedef struct addrinfo **Result;

int getaddrinfo(const char *, const char *, Wishes, Result);
int android_getaddrinfofornet(const char *, const char *, Wishes, unsigned, unsigned, Result);
int android_getaddrinfofornetcontext(const char *, const char *, Wishes, const struct android_net_context *, Result);
struct hostent *gethostbyname(const char *);
struct hostent *android_gethostbynamefornet(const char *, int, unsigned, unsigned);
struct hostent *android_gethostbynamefornetcontext(const char *, int, const struct android_net_context *);

#ifdef LIBRARY

void android_set_abort_message(const char *message)
{
    (void)message;
}

static int known(const char *name, struct in_addr *address)
{
    if (strcmp(name, "a.example") != 0 && strcmp(name, "b.example") != 0)
        return 0;
    return inet_aton("10.77.0.2", address);
}

int android_getaddrinfofornetcontext(const char *name, const char *service, Wishes wishes,
                                     const struct android_net_context *context, Result result)
{
    static struct sockaddr_in to[2];
    static struct addrinfo list[2];
    (void)service, (void)wishes, (void)context;
    if (!known(name, &to[0].sin_addr))
        return 7; /* EAI_NODATA */
    to[0].sin_family = AF_INET;
    to[1] = to[0];
    inet_aton("10.77.0.3", &to[1].sin_addr);
    for (int index = 0; index < 2; index++) {
        list[index].ai_family = AF_INET;
        list[index].ai_addrlen = sizeof to[index];
        list[index].ai_canonname = "not.an.address";
        list[index].ai_addr = (struct sockaddr *)&to[index];
        list[index].ai_next = index == 0 ? &list[1] : NULL;
    }
    *result = list;
    return 0;
}

int android_getaddrinfofornet(const char *name, const char *service, Wishes wishes, unsigned network, unsigned mark, Result result)
{
    struct android_net_context context = { network, mark, network, mark, 0, 0 };
    return android_getaddrinfofornetcontext(name, service, wishes, &context, result);
}

int getaddrinfo(const char *name, const char *service, Wishes wishes, Result result)
{
    return android_getaddrinfofornet(name, service, wishes, 0, 0, result);
}

struct hostent *android_gethostbynamefornetcontext(const char *name, int family, const struct android_net_context *context)
{
    static struct in_addr address;
    static char *addresses[2];
    static struct hostent host;
    (void)context;
    if (!known(name, &address))
        return NULL;
    addresses[0] = (char *)&address;
    host = (struct hostent){ "not.an.address", NULL, family, sizeof address, addresses };
    return &host;
}

struct hostent *android_gethostbynamefornet(const char *name, int family, unsigned network, unsigned mark)
{
    struct android_net_context context = { network, mark, network, mark, 0, 0 };
    return android_gethostbynamefornetcontext(name, family, &context);
}

struct hostent *gethostbyname(const char *name)
{
    return android_gethostbynamefornet(name, AF_INET, 0, 0);
}

#else

static int connect_to(struct in_addr address)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr = address };
    int contact = socket(AF_INET, SOCK_STREAM, 0);
    int failed = connect(contact, (struct sockaddr *)&to, sizeof to);
    close(contact);
    return failed;
}

static int ask(const char *how, const char *name, struct in_addr *address)
{
    struct android_net_context context = { 0 };
    struct addrinfo *list;
    struct hostent *host = NULL;
    int failed;
    if (strncmp(how, "gethost", 7) == 0) {
        host = strcmp(how, "gethostbyname") == 0 ? gethostbyname(name) :
               strcmp(how, "gethostbynamefornet") == 0 ? android_gethostbynamefornet(name, AF_INET, 0, 0) :
               android_gethostbynamefornetcontext(name, AF_INET, &context);
        if (host == NULL)
            return 1;
        memcpy(address, host->h_addr_list[0], sizeof *address);
        return 0;
    }
    failed = strcmp(how, "getaddrinfo") == 0 ? getaddrinfo(name, "80", NULL, &list) :
             strcmp(how, "getaddrinfofornet") == 0 ? android_getaddrinfofornet(name, "80", NULL, 0, 0, &list) :
             android_getaddrinfofornetcontext(name, "80", NULL, &context, &list);
    if (!failed)
        *address = ((struct sockaddr_in *)list->ai_addr)->sin_addr;
    return failed;
}

int main(void)
{
    char how[32], name[256];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (scanf("%31s %255s", how, name) == 2) {
        struct in_addr address;
        int failed = strcmp(how, "literal") == 0 ? !inet_aton(name, &address) : ask(how, name, &address);
        puts(failed ? "nobody knows it" : connect_to(address) ? "no contact" : "done");
    }
    return 0;
}

#endif
