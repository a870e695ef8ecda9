/* Small operations through libsmbclient, timed one by one kind.
 *
 *   smbops URL PORT COUNT          user and password in SMB_USER and SMB_PASSWORD
 *
 * Works on COUNT files of 4 KiB in the folder URL, which must exist and be empty. Prints one line
 * per operation: its name, how many there were and the seconds that they took.
 * libsmbclient reads its settings from $HOME/.smb/smb.conf.
 */

#include <fcntl.h>
#include <libsmbclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char *base;
static int count;

static void give_up(const char *what, const char *url)
{
	fprintf(stderr, "%s %s: ", what, url);
	perror(NULL);
	exit(1);
}

static void credentials(SMBCCTX *context, const char *server, const char *share, char *workgroup,
			int workgroup_size, char *user, int user_size, char *password,
			int password_size)
{
	(void)context, (void)server, (void)share, (void)workgroup, (void)workgroup_size;
	snprintf(user, user_size, "%s", getenv("SMB_USER"));
	snprintf(password, password_size, "%s", getenv("SMB_PASSWORD"));
}

static const char *file(int number)
{
	static char url[512];
	snprintf(url, sizeof url, "%s/file %06d", base, number);
	return url;
}

static void create_write_close(int number)
{
	static char block[4096];
	int handle = smbc_open(file(number), O_CREAT | O_EXCL | O_WRONLY, 0644);
	memset(block, 'a' + number % 26, sizeof block);
	if (handle < 0 || smbc_write(handle, block, sizeof block) != sizeof block
	    || smbc_close(handle) < 0)
		give_up("create", file(number));
}

static void open_read_close(int number)
{
	static char block[4096];
	int handle = smbc_open(file(number), O_RDONLY, 0);
	if (handle < 0 || smbc_read(handle, block, sizeof block) != sizeof block
	    || smbc_close(handle) < 0 || block[4095] != 'a' + number % 26)
		give_up("read", file(number));
}

static void stat_one(int number)
{
	struct stat found;
	if (smbc_stat(file(number), &found) < 0 || found.st_size != 4096)
		give_up("stat", file(number));
}

static void unlink_one(int number)
{
	if (smbc_unlink(file(number)) < 0)
		give_up("unlink", file(number));
}

static void list(int number)
{
	int folder = smbc_opendir(base), seen = 0;
	struct smbc_dirent *entry;
	(void)number;
	if (folder < 0)
		give_up("list", base);
	while ((entry = smbc_readdir(folder)) != NULL)
		seen += entry->smbc_type == SMBC_FILE;
	smbc_closedir(folder);
	if (seen != count) {
		fprintf(stderr, "listed %d of %d files\n", seen, count);
		exit(1);
	}
}

static void measure(const char *name, void (*operation)(int), int times)
{
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int number = 0; number < times; number++)
		operation(number);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%s %d %.9f\n", name, times,
	       (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	SMBCCTX *context = smbc_new_context();
	struct stat found;

	if (argc != 4 || !context || !getenv("SMB_USER") || !getenv("SMB_PASSWORD")) {
		fprintf(stderr, "usage: smbops URL PORT COUNT (see the source)\n");
		return 2;
	}
	base = argv[1];
	count = atoi(argv[3]);
	smbc_setPort(context, (uint16_t)atoi(argv[2]));
	smbc_setFunctionAuthDataWithContext(context, credentials);
	if (!smbc_init_context(context))
		give_up("settings", "");
	smbc_set_context(context);
	if (smbc_stat(base, &found) < 0) /* connect, log on */
		give_up("connect", base);

	measure("create+write+close", create_write_close, count);
	measure("open+read+close", open_read_close, count);
	measure("stat", stat_one, count);
	measure("list", list, 10);
	measure("unlink", unlink_one, count);
	return 0;
}
