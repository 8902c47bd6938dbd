#include "conf/reference.hpp"
#include "conf/schema.hpp"
#include "conf/units.hpp"
#include "conf/value.hpp"

#include <fmt/format.h>

namespace weir::conf {

namespace {

constexpr std::string_view kIntroduction = R"(# Configuration

Generated from the schema in `conf/schema_table.cpp`; `conf/weir.toml` is the same as a file. `weir check -c FILE` names every
mistake in a file with its line and column, `weir config --defaults` prints the defaults, `weir config` what is in force.

- Durations and sizes are strings with a unit: `"250ms"`, `"15s"`, `"5m"`, `"1h"`, `"7d"`; `"512B"`, `"64KiB"`, `"256MiB"`,
  `"2GiB"` (or decimal `kB`, `MB`, `GB`). `"0s"` or `0` switches a limit off.
- `${NAME}` and `${NAME:-default}` in any string are replaced from the environment; an empty variable counts as not set. `$${`
  is a literal `${`. A number or a boolean may be written as such a string: `max = "${POOL_MAX:-20}"`.
- A password may be `"file:PATH"`: the file's text without its last line break. A relative path starts at the folder of the
  configuration file.
- Unknown keys are mistakes. A file with a mistake is not used at all: not at the start, and not on reload.
- *Reload* means that a change takes effect on SIGHUP, on `RELOAD` in the admin database, or by itself with `watch = true`.
  *Restart* means that it waits for one; a reload then says so.
)";

constexpr std::string_view kEnvironment = R"(
## Environment variables

They override the file. A variable that is set but empty counts as not set.

| Variable | What it sets |
|---|---|
| `WEIR_<SECTION>_<KEY>` | that key of a section without a name: `WEIR_LISTEN_THREADS=2`, `WEIR_POOL_MAX=8`, `WEIR_TLS_CLIENT_MODE=require`, `WEIR_WATCH=true`; lists have commas |
| `WEIR_POOL_READ_<KEY>` | that key of `[pool.read]` |
| `WEIR_PROFILE`, else `NODE_ENV` | `profile` (a `NODE_ENV` that is no profile is noted and has no effect) |
| `LOG_LEVEL` | `log.level` |
| `DB_POOL_MIN`, `DB_POOL_MAX` | `pool.min`, `pool.max` |
| `DB_IDLE_TIMEOUT` | `pool.idle_timeout`; a bare number is milliseconds |
| `SLOW_QUERY_THRESHOLD` | `policy.slow_query`; a bare number is milliseconds |
| `DB_CONNECT_TIMEOUT` | `connect_timeout` of every cluster; a bare number is milliseconds |
| `DATABASE_URL` | the one database, as `postgres://user:password@host:port/database` |
| `DB_HOST`, `DB_PORT`, `DB_NAME`, `DB_USER`, `DB_PASSWORD` | the same in parts; they fill in what `DATABASE_URL` leaves out |
| `DB_READ_HOST`, `DB_READ_PORT` | a replica of that database's server: reads go there when that is safe |
| `DB_READ_POOL_MIN`, `DB_READ_POOL_MAX` | `min` and `max` of `[pool.read]` |
| `DB_SSL` | `tls.mode` of that database's cluster, without one `tls.server.mode`: `true` is `require`, `false` is `disable`, or an sslmode |

Where both a name of the list and `WEIR_<SECTION>_<KEY>` are set, the latter holds.

`DATABASE_URL`, or `DB_HOST` or `DB_NAME`, is enough to start without a file. The database is served under its own name from the
cluster `environment`; Weir logs in to PostgreSQL with the user and password given, and applications log in to Weir with the
same two. The method is `scram-sha-256` unless `WEIR_AUTH_METHOD` says otherwise. Without a password nobody could prove
anything, so Weir then does not start unless `WEIR_AUTH_METHOD=trust` is set (or the file gives some user a password). The host
is `localhost` and the port 5432 unless given; a host that is a folder means the unix socket in it. Of the URL's parameters
`sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `ssl_min_protocol_version`, `connect_timeout` (seconds), `application_name`, `user`,
`password`, `host`, `port` and `dbname` count; others are noted.

With a file, that database is added to those of the file, or overrides the one of the same name. A variable that the file itself
asks for with `${NAME}` has found its place there and does not override anything else.

A URL with several hosts, `postgres://user@host1:port1,host2:port2/database`, gives the cluster as many servers; what each of them
is, is found out by asking.

`DB_READ_HOST`, or `DB_READ_PORT` where only the port differs, adds a server to the cluster `environment`, with the role
`replica`, and sets `read_write_split = true` for that database: who names a server for reads wants them there. The port is that
of the first server unless given. Where both are the same server, there is no replica and no split, which is noted. The variables
have no effect without one that says which database it is.

`REDIS_URL` is `cache.redis` and `CACHE_KEY_PREFIX` is `cache.redis_key_prefix`. Without `REDIS_URL`, `REDIS_HOST`, `REDIS_PORT` and `REDIS_PASSWORD`
say the same in parts. They matter only where `cache.enabled` is true.
)";

std::string title(const SectionInfo& info) {
    if (info.section == Section::Top) {
        return "## At the top\n\n";
    }
    const bool is_below = info.section == Section::RuleMatch || info.section == Section::RuleSet;
    if (info.form == Form::Listed && !is_below) {
        return fmt::format("## `[[{}]]`\n\n", info.name);
    }
    return fmt::format("## `[{}{}]`\n\n", info.name, info.form == Form::Named ? ".NAME" : "");
}

std::string default_of(const Setting& setting) {
    if (is_preset_by_profile(setting)) {
        std::string list;
        for (std::size_t i = 0; i < profile_names().size(); ++i) {
            const std::string_view text = default_text(setting, static_cast<Profile>(i));
            const std::string value = toml_value(setting, *parse_value(setting, text).value);
            list += fmt::format("{}{} `{}`", i == 0 ? "" : ", ", profile_names()[i], value);
        }
        return "Default by profile: " + list + ".";
    }
    const std::string_view text = default_text(setting, Profile::Production);
    const std::string value = setting.kind == Kind::Threads
                                  ? toml_string(text)
                                  : toml_value(setting, *parse_value(setting, text).value);
    return fmt::format("Default: `{}`.", value);
}

std::string paragraph(const Setting& setting) {
    return fmt::format("### `{}`\n\n{}\n\nAccepted: {}. {} {}{}\n\n",
                       setting.key,
                       setting.doc,
                       accepted(setting),
                       default_of(setting),
                       setting.effect == Effect::Reload ? "Reload." : "Restart.",
                       setting.secrecy == Secrecy::Secret ? " Never shown." : "");
}

}  // namespace

std::string reference_markdown() {
    std::string text{kIntroduction};
    for (const SectionInfo& info : sections()) {
        text += "\n" + title(info) + std::string{info.doc} + "\n\n";
        for (const Setting& setting : settings()) {
            if (setting.section == info.section) {
                text += paragraph(setting);
            }
        }
        text.pop_back();
    }
    return text += kEnvironment;
}

}  // namespace weir::conf
