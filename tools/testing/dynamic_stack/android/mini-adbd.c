// SPDX-License-Identifier: GPL-2.0
/*
 * mini-adbd: a small stand-in for Android's adbd, for tests of android-ab.
 * Debian has adb, the program on the host's side, but not the daemon.
 *
 * It speaks the device's side of adb's protocol to a real adb server: connect,
 * shell and exec with exit status, standard input and error, and reboot. It
 * knows neither keys (every host is welcome, or with --unauthorized none),
 * terminals nor file transfer.
 *
 *   --listen PORT	adb connects to 127.0.0.1:PORT
 *   --port FILE	a virtio serial port, at whose other end adb is
 *   --shell FILE	runs the commands (default /system/bin/sh)
 *   --path DIR		their PATH (default /system/bin)
 *   --unauthorized	ask for a key and accept none
 *
 * Ends with status 0 when it is asked to reboot.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define A_CNXN	0x4e584e43
#define A_AUTH	0x48545541
#define A_OPEN	0x4e45504f
#define A_OKAY	0x59414b4f
#define A_CLSE	0x45534c43
#define A_WRTE	0x45545257

#define VERSION		0x01000001	/* no checksums */
#define MAX_DATA	(64 * 1024)
#define MAX_STREAMS	16
#define CHUNK		(16 * 1024)

/* Packets of the shell protocol within a stream */
enum { SH_STDIN, SH_STDOUT, SH_STDERR, SH_EXIT, SH_CLOSE_STDIN };

struct message {
	uint32_t command, arg0, arg1, length, check, magic;
};

struct stream {
	bool used, v2, wait_okay, owes_okay, closed;
	uint32_t local, remote;
	pid_t pid;
	int in, out, err;	/* pipes; -1: closed */
	int status;		/* -1: runs */
	/* From the host, to be taken apart or written to the child */
	char buf[MAX_DATA + 5 + CHUNK];
	size_t len;
	uint32_t left;		/* of a stdin packet */
};

static struct stream streams[MAX_STREAMS];
static uint32_t next_local = 1;
static int transport = -1;
static bool unauthorized, lost;
static const char *shell = "/system/bin/sh", *path = "/system/bin";
static char data[MAX_DATA + 1];

/* A virtio port without its other end would block for ever. */
static bool again(short events)
{
	struct pollfd p = { transport, events, 0 };

	if (errno == EINTR)
		return true;
	if (errno != EAGAIN)
		return false;
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	return !(p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void put(const void *p, size_t n)
{
	while (n && !lost) {
		ssize_t w = write(transport, p, n);

		if (w < 0 && again(POLLOUT))
			continue;
		if (w <= 0) {
			lost = true;
			return;
		}
		p = (const char *)p + w;
		n -= w;
	}
}

static bool get(void *p, size_t n)
{
	while (n) {
		ssize_t r = read(transport, p, n);

		if (r < 0 && again(POLLIN))
			continue;
		if (r <= 0) {
			lost = true;
			return false;
		}
		p = (char *)p + r;
		n -= r;
	}
	return true;
}

static void message(uint32_t command, uint32_t arg0, uint32_t arg1, const void *p, size_t n)
{
	struct message m = { command, arg0, arg1, n, 0, ~command };

	put(&m, sizeof(m));
	put(p, n);
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The child goes on if it likes, as on a device. */
static void drop(struct stream *s)
{
	shut(&s->in);
	shut(&s->out);
	shut(&s->err);
	s->used = false;
}

static void say_okay(struct stream *s)
{
	if (s->owes_okay)
		message(A_OKAY, s->local, s->remote, NULL, 0);
	s->owes_okay = false;
}

static void refuse(uint32_t remote)
{
	message(A_CLSE, 0, remote, NULL, 0);
}

static void start(struct stream *s, const char *command)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
		perror("mini-adbd: pipe");
		exit(1);
	}
	s->pid = fork();
	if (!s->pid) {
		setsid();
		signal(SIGPIPE, SIG_DFL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(s->v2 ? err[1] : out[1], 2);
		setenv("PATH", path, 1);
		if (chdir("/"))
			_exit(126);
		execl(shell, "sh", "-c", command, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	s->in = in[1];
	s->out = out[0];
	s->err = err[0];
	fcntl(s->in, F_SETFL, O_NONBLOCK);
	s->status = s->pid < 0 ? 1 : -1;
}

static void open_stream(uint32_t remote, const char *service)
{
	const char *command = strchr(service, ':');
	struct stream *s = streams;

	while (s < streams + MAX_STREAMS && s->used)
		s++;
	if (!command || s == streams + MAX_STREAMS) {
		refuse(remote);
		return;
	}
	command++;
	if (!strncmp(service, "reboot:", 7)) {
		message(A_OKAY, next_local, remote, NULL, 0);
		message(A_CLSE, next_local, remote, NULL, 0);
		printf("mini-adbd: reboot asked for\n");
		exit(0);
	}
	if (strncmp(service, "shell", 5) && strncmp(service, "exec:", 5)) {
		refuse(remote);
		return;
	}
	memset(s, 0, sizeof(*s));
	s->used = true;
	s->v2 = !strncmp(service, "shell,v2", 8);
	s->local = next_local++;
	s->remote = remote;
	start(s, command);
	message(A_OKAY, s->local, s->remote, NULL, 0);
}

/* Write to the child what the host sent, as far as it takes it. */
static void feed(struct stream *s)
{
	size_t used = 0;

	while (used < s->len) {
		size_t n = s->len - used;
		ssize_t w;

		if (s->v2 && !s->left) {
			uint32_t length;

			if (n < 5)
				break;
			memcpy(&length, s->buf + used + 1, 4);
			if (s->buf[used] == SH_CLOSE_STDIN)
				shut(&s->in);
			if (s->buf[used] != SH_STDIN) {
				if (n < 5 + length)
					break;
				used += 5 + length;
				continue;
			}
			s->left = length;
			used += 5;
			continue;
		}
		if (s->v2 && n > s->left)
			n = s->left;
		w = s->in < 0 ? (ssize_t)n : write(s->in, s->buf + used, n);
		if (w < 0 && errno == EAGAIN)
			break;
		if (w < 0) {
			shut(&s->in);
			w = n;
		}
		used += w;
		if (s->v2)
			s->left -= w;
	}
	memmove(s->buf, s->buf + used, s->len - used);
	s->len -= used;
	if (s->len < CHUNK)
		say_okay(s);
}

static void relay(struct stream *s, int *fd, char id)
{
	static char out[5 + CHUNK];
	uint32_t length;
	ssize_t n;

	n = read(*fd, out + 5, CHUNK);
	if (n <= 0) {
		shut(fd);
		return;
	}
	length = n;
	out[0] = id;
	memcpy(out + 1, &length, 4);
	if (s->v2)
		message(A_WRTE, s->local, s->remote, out, 5 + n);
	else
		message(A_WRTE, s->local, s->remote, out + 5, n);
	s->wait_okay = true;
}

/* Once all output is sent and the child is gone, say how it ended. */
static void end(struct stream *s)
{
	char out[6] = { SH_EXIT, 1, 0, 0, 0, 0 };

	if (s->out >= 0 || s->err >= 0 || s->status < 0 || s->wait_okay)
		return;
	if (s->v2 && !s->closed) {
		out[5] = WIFEXITED(s->status) ? WEXITSTATUS(s->status) : 128 + WTERMSIG(s->status);
		message(A_WRTE, s->local, s->remote, out, sizeof(out));
		s->closed = true;
		s->wait_okay = true;
		return;
	}
	message(A_CLSE, s->local, s->remote, NULL, 0);
	drop(s);
}

static void welcome(void)
{
	static const char banner[] = "device::ro.product.name=mini;ro.product.model=mini_adbd;"
				     "ro.product.device=mini;features=shell_v2,cmd";
	static const char token[20] = "no key is good here";

	if (unauthorized)
		message(A_AUTH, 1, 0, token, sizeof(token));
	else
		message(A_CNXN, VERSION, MAX_DATA, banner, sizeof(banner) - 1);
}

static void receive(void)
{
	struct stream *s = NULL;
	struct message m;
	int i;

	if (!get(&m, sizeof(m)))
		return;
	if (m.magic != ~m.command || m.length > MAX_DATA) {
		fprintf(stderr, "mini-adbd: not adb's protocol\n");
		lost = true;
		return;
	}
	if (!get(data, m.length))
		return;
	data[m.length] = '\0';
	for (i = 0; i < MAX_STREAMS; i++)
		if (streams[i].used && streams[i].local == m.arg1)
			s = &streams[i];
	switch (m.command) {
	case A_CNXN:
		for (i = 0; i < MAX_STREAMS; i++)
			if (streams[i].used)
				drop(&streams[i]);
		welcome();
		break;
	case A_AUTH:
		/* adb has no more keys: it offers its public key, for a user to accept */
		if (m.arg0 != 3)
			welcome();
		break;
	case A_OPEN:
		if (!unauthorized)
			open_stream(m.arg0, data);
		break;
	case A_OKAY:
		if (s)
			s->wait_okay = false;
		break;
	case A_WRTE:
		if (!s || s->len + m.length > sizeof(s->buf))
			break;
		memcpy(s->buf + s->len, data, m.length);
		s->len += m.length;
		s->owes_okay = true;
		break;
	case A_CLSE:
		if (s)
			drop(s);
		break;
	}
}

static void reap(void)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < MAX_STREAMS; i++)
			if (streams[i].used && streams[i].pid == pid)
				streams[i].status = status;
}

static void serve(void)
{
	struct pollfd fds[1 + 3 * MAX_STREAMS];
	int i;

	lost = false;
	while (!lost) {
		int busy = 0;

		fds[0] = (struct pollfd){ transport, POLLIN, 0 };
		for (i = 0; i < MAX_STREAMS; i++) {
			struct stream *s = &streams[i];
			struct pollfd *p = &fds[1 + 3 * i];
			bool may = s->used && !s->wait_okay;

			p[0] = (struct pollfd){ s->used && s->len ? s->in : -1, POLLOUT, 0 };
			p[1] = (struct pollfd){ may ? s->out : -1, POLLIN, 0 };
			p[2] = (struct pollfd){ may ? s->err : -1, POLLIN, 0 };
			/* An end of the child is no event of poll's */
			busy |= s->used && s->status < 0 && s->out < 0 && s->err < 0;
		}
		if (poll(fds, 1 + 3 * MAX_STREAMS, busy ? 20 : 1000) < 0 && errno != EINTR)
			break;
		reap();
		if (fds[0].revents & POLLIN)
			receive();
		else if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			break;
		for (i = 0; i < MAX_STREAMS && !lost; i++) {
			struct stream *s = &streams[i];
			struct pollfd *p = &fds[1 + 3 * i];

			if (!s->used)
				continue;
			if (s->len || s->owes_okay)
				feed(s);
			if (s->out >= 0 && p[1].revents && !s->wait_okay)
				relay(s, &s->out, SH_STDOUT);
			if (s->err >= 0 && p[2].revents && !s->wait_okay)
				relay(s, &s->err, SH_STDERR);
			end(s);
		}
	}
	for (i = 0; i < MAX_STREAMS; i++)
		if (streams[i].used)
			drop(&streams[i]);
	shut(&transport);
}

static void listen_on(int port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (void *)&a, sizeof(a)) || listen(fd, 1)) {
		perror("mini-adbd: listen");
		exit(1);
	}
	for (;;) {
		transport = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (transport >= 0)
			serve();
	}
}

/* Until the other end is there, reads of a virtio port return 0. */
static void wait_on(const char *port)
{
	for (;;) {
		transport = open(port, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (transport < 0) {
			perror("mini-adbd: the port");
			exit(1);
		}
		serve();
		usleep(100000);
	}
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "port", required_argument, NULL, 'p' },
		{ "shell", required_argument, NULL, 's' },
		{ "path", required_argument, NULL, 'P' },
		{ "unauthorized", no_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 },
	};
	const char *port = NULL;
	int opt, tcp = 0;

	while ((opt = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (opt) {
		case 'l':
			tcp = atoi(optarg);
			break;
		case 'p':
			port = optarg;
			break;
		case 's':
			shell = optarg;
			break;
		case 'P':
			path = optarg;
			break;
		case 'u':
			unauthorized = true;
			break;
		default:
			return 2;
		}
	}
	if (!tcp == !port) {
		fputs("mini-adbd: give --listen PORT or --port FILE\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (tcp)
		listen_on(tcp);
	else
		wait_on(port);
	return 0;
}
