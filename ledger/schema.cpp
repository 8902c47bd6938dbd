#include "ledger/schema.hpp"

#include "base/log.hpp"
#include "ledger/file_place.hpp"

#include <array>
#include <filesystem>
#include <string>
#include <system_error>

namespace weir::ledger {

namespace {

// Tables lie in the order of the question that reads them and have no other index: the planner has
// nothing to choose wrongly. `hourly` is read by time, `hourly_hist` by digest. Where the row id is
// a time (`t`, µs since 1970, made unique), inserting appends, and retention and cursors are ranges
// of keys.
constexpr SchemaStep kFirst = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE name(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE(kind, text)) STRICT;
CREATE TABLE digest(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL UNIQUE, first_t INTEGER NOT NULL,
  last_t INTEGER NOT NULL, kind TEXT NOT NULL, tables TEXT NOT NULL, text TEXT NOT NULL) STRICT;
CREATE TABLE statement(t INTEGER PRIMARY KEY, digest INTEGER NOT NULL, db INTEGER NOT NULL, usr INTEGER NOT NULL,
  app INTEGER NOT NULL, member INTEGER NOT NULL, session INTEGER NOT NULL, class INTEGER NOT NULL,
  weight REAL NOT NULL, total_us INTEGER NOT NULL, server_us INTEGER NOT NULL, wait_us INTEGER NOT NULL,
  sending_us INTEGER NOT NULL, why INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
  flags INTEGER NOT NULL, sqlstate TEXT, pattern INTEGER, detail TEXT) STRICT;
CREATE INDEX statement_slow ON statement(t) WHERE class IN (1, 3);
CREATE INDEX statement_failed ON statement(t) WHERE sqlstate IS NOT NULL;
CREATE INDEX statement_digest ON statement(digest);
CREATE TABLE hourly(hour INTEGER NOT NULL, digest INTEGER NOT NULL, db INTEGER NOT NULL, usr INTEGER NOT NULL,
  app INTEGER NOT NULL, calls INTEGER NOT NULL, errors INTEGER NOT NULL, rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL, total_us INTEGER NOT NULL, server_us INTEGER NOT NULL, wait_us INTEGER NOT NULL,
  sending_us INTEGER NOT NULL, min_us INTEGER NOT NULL, max_us INTEGER NOT NULL, retried INTEGER NOT NULL,
  cut INTEGER NOT NULL, PRIMARY KEY(hour, digest, db, usr, app)) STRICT, WITHOUT ROWID;
CREATE TABLE hourly_hist(digest INTEGER NOT NULL, hour INTEGER NOT NULL, db INTEGER NOT NULL, usr INTEGER NOT NULL,
  app INTEGER NOT NULL, calls INTEGER NOT NULL, errors INTEGER NOT NULL, rows INTEGER NOT NULL,
  total_us INTEGER NOT NULL, server_us INTEGER NOT NULL, wait_us INTEGER NOT NULL, min_us INTEGER NOT NULL,
  max_us INTEGER NOT NULL, total BLOB NOT NULL, server BLOB NOT NULL, wait BLOB NOT NULL,
  PRIMARY KEY(digest, hour, db, usr, app)) STRICT, WITHOUT ROWID;
CREATE TABLE daily(day INTEGER NOT NULL, digest INTEGER NOT NULL, db INTEGER NOT NULL, usr INTEGER NOT NULL,
  app INTEGER NOT NULL, calls INTEGER NOT NULL, errors INTEGER NOT NULL, rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL, total_us INTEGER NOT NULL, server_us INTEGER NOT NULL, wait_us INTEGER NOT NULL,
  sending_us INTEGER NOT NULL, min_us INTEGER NOT NULL, max_us INTEGER NOT NULL, retried INTEGER NOT NULL,
  cut INTEGER NOT NULL, PRIMARY KEY(day, digest, db, usr, app)) STRICT, WITHOUT ROWID;
CREATE TABLE daily_hist(digest INTEGER NOT NULL, day INTEGER NOT NULL, db INTEGER NOT NULL, usr INTEGER NOT NULL,
  app INTEGER NOT NULL, calls INTEGER NOT NULL, errors INTEGER NOT NULL, rows INTEGER NOT NULL,
  total_us INTEGER NOT NULL, server_us INTEGER NOT NULL, wait_us INTEGER NOT NULL, min_us INTEGER NOT NULL,
  max_us INTEGER NOT NULL, total BLOB NOT NULL, server BLOB NOT NULL, wait BLOB NOT NULL,
  PRIMARY KEY(digest, day, db, usr, app)) STRICT, WITHOUT ROWID;
CREATE TABLE hourly_error(hour INTEGER NOT NULL, sqlstate TEXT NOT NULL, digest INTEGER NOT NULL,
  db INTEGER NOT NULL, usr INTEGER NOT NULL, app INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY(hour, sqlstate, digest, db, usr, app)) STRICT, WITHOUT ROWID;
CREATE TABLE hourly_wait(hour INTEGER NOT NULL, db INTEGER NOT NULL, usr INTEGER NOT NULL, why INTEGER NOT NULL,
  n INTEGER NOT NULL, us INTEGER NOT NULL, hist BLOB NOT NULL, PRIMARY KEY(hour, db, usr, why))
  STRICT, WITHOUT ROWID;
CREATE TABLE error_pattern(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL UNIQUE, sqlstate TEXT NOT NULL,
  pattern TEXT NOT NULL, first_t INTEGER NOT NULL, last_t INTEGER NOT NULL, n INTEGER NOT NULL) STRICT;
CREATE TABLE session(t INTEGER PRIMARY KEY, number INTEGER NOT NULL, db INTEGER NOT NULL, usr INTEGER NOT NULL,
  app INTEGER NOT NULL, client TEXT NOT NULL, began_t INTEGER NOT NULL, statements INTEGER NOT NULL,
  errors INTEGER NOT NULL, transactions INTEGER NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
  why TEXT NOT NULL) STRICT;
CREATE TABLE event(t INTEGER PRIMARY KEY, kind TEXT NOT NULL, object TEXT NOT NULL, severity INTEGER NOT NULL,
  what TEXT NOT NULL, data TEXT) STRICT;
CREATE INDEX event_kind ON event(kind);
CREATE TABLE audit(id INTEGER PRIMARY KEY, t INTEGER NOT NULL, who TEXT NOT NULL, from_where TEXT NOT NULL,
  action TEXT NOT NULL, object TEXT NOT NULL, text TEXT NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL)
  STRICT;
)sql";

/// Until when names were in use, so that those nothing names any more can go.
constexpr SchemaStep kNamesInUse = R"sql(
ALTER TABLE name ADD COLUMN last_t INTEGER NOT NULL DEFAULT 0;
UPDATE name SET last_t = unixepoch() * 1000000;
)sql";

/// What was answered from the cache, and what was read for it.
constexpr SchemaStep kCacheCounts = R"sql(
ALTER TABLE hourly ADD COLUMN cache_hits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hourly ADD COLUMN cache_misses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hourly ADD COLUMN cache_saved_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE daily ADD COLUMN cache_hits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE daily ADD COLUMN cache_misses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE daily ADD COLUMN cache_saved_us INTEGER NOT NULL DEFAULT 0;
)sql";

/// What jobs of maintenance have done.
constexpr SchemaStep kJobRuns = R"sql(
CREATE TABLE job_run(t INTEGER PRIMARY KEY, job TEXT NOT NULL, began INTEGER NOT NULL, ended INTEGER NOT NULL,
  outcome TEXT NOT NULL, rows INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX job_run_job ON job_run(job);
)sql";

constexpr std::array<SchemaStep, 4> kSteps{kFirst, kNamesInUse, kCacheCounts, kJobRuns};

constexpr std::uintmax_t kCopyBytesMax = std::uintmax_t{256} << 20U;

void copy_before(Connection& connection, const std::string& path, std::int64_t version) {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path, error);
    if (path.empty() || error || bytes >= kCopyBytesMax) {
        return;
    }
    const std::string copy = path + "-v" + std::to_string(version) + ".bak";
    std::filesystem::remove(copy, error);
    if (const auto problem = create_private(copy)) {
        log::warn("ledger_no_copy", {{"file", path}, {"why", *problem}});
        return;
    }
    Use copying = connection.use("VACUUM INTO ?");
    copying.with(std::string_view{copy}).run();
    log::info("ledger_migrating", {{"file", path}, {"from", version}, {"copy", copy}});
}

bool take_step(Connection& connection, SchemaStep step, std::int64_t to) {
    return connection.execute("BEGIN IMMEDIATE") && connection.execute(step) &&
           connection.execute("PRAGMA user_version = " + std::to_string(to)) &&
           connection.execute("PRAGMA application_id = " + std::to_string(kApplicationId)) &&
           connection.execute("COMMIT");
}

}  // namespace

std::span<const SchemaStep> schema_steps() {
    return kSteps;
}

SchemaState bring_up(Connection& connection,
                     const std::string& path,
                     std::span<const SchemaStep> steps) {
    const auto version = connection.integer("PRAGMA user_version");
    const auto application = connection.integer("PRAGMA application_id");
    const auto objects = connection.integer("SELECT count(*) FROM sqlite_schema");
    if (!version || !application || !objects) {
        return SchemaState::Trouble;
    }
    const bool is_new = *objects == 0 && *application == 0;
    if (!is_new && *application != kApplicationId) {
        return SchemaState::Foreign;
    }
    const auto wanted = static_cast<std::int64_t>(steps.size());
    if (*version > wanted) {
        return SchemaState::Newer;
    }
    if (!is_new && *version < wanted) {
        copy_before(connection, path, *version);
    }
    for (std::int64_t at = *version; at < wanted; ++at) {
        if (!take_step(connection, steps[static_cast<std::size_t>(at)], at + 1)) {
            connection.roll_back();
            return SchemaState::Trouble;
        }
    }
    return SchemaState::Ready;
}

}  // namespace weir::ledger
