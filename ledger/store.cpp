#include "ledger/store.hpp"

#include "base/log.hpp"
#include "ledger/schema.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

namespace weir::ledger {

namespace {

/// After a stop that was not clean all of the file is looked at when it is not longer than this:
/// half a second.
constexpr std::uint64_t kCheckedBytesMax = std::uint64_t{256} << 20U;

Trouble trouble_of(std::string text) {
    return {.kind = Trouble::Kind::Other, .text = std::move(text)};
}

int is_over(void* stopping) {
    return static_cast<std::atomic<bool>*>(stopping)->load(std::memory_order_relaxed) ? 1 : 0;
}

/// A name of its own for each ledger in memory.
std::string memory_uri() {
    static std::atomic<int> number{0};
    return "file:/weir-ledger-" + std::to_string(++number) + "?vfs=memdb";
}

}  // namespace

std::optional<Trouble> Store::open(const Options& options) {
    options_ = options;
    if (is_in_memory()) {
        file_.clear();
        uri_ = memory_uri();
        return open_connection();
    }
    return open_file(options_.path);
}

std::optional<Trouble> Store::open_file(const std::string& file) {
    file_ = file;
    uri_ = uri_of(file);
    if (auto refusal = refuse_place(file)) {
        return trouble_of(std::move(*refusal));
    }
    if (auto taken = lock_.take(file)) {
        return trouble_of(std::move(*taken));
    }
    if (auto problem = make_private(file)) {
        lock_.release();
        return trouble_of(std::move(*problem));
    }
    return open_connection();
}

std::optional<Trouble> Store::open_connection() {
    if (!connection_.open(uri_, Connection::Mode::Write) || !set_up()) {
        return given_up();
    }
    switch (bring_up(connection_, file_)) {
        case SchemaState::Ready: break;
        case SchemaState::Trouble: return given_up();
        case SchemaState::Foreign:
            static_cast<void>(given_up());
            return trouble_of(file_ + " is a database of something else");
        case SchemaState::Newer: {
            static_cast<void>(given_up());
            const std::string version = std::to_string(schema_steps().size());
            const std::string beside = options_.path + "-v" + version;
            if (file_ == beside) {
                return trouble_of(file_ + " is of a newer version than this program");
            }
            log::warn("ledger_newer", {{"file", file_}, {"writing_to", beside}});
            return open_file(beside);
        }
    }
    if (!is_sound()) {
        return given_up();
    }
    sqlite3_progress_handler(connection_.handle(), 0, nullptr, nullptr);
    rows_.find_ends();
    last_day_ = connection_.integer("SELECT value FROM meta WHERE key = 'summed_day'").value_or(-1);
    hours_.days_are_summed_up_to(last_day_);
    connection_.execute("PRAGMA optimize");
    if (!connection_.is_well()) {
        return given_up();
    }
    set_max_size(options_.max_size);
    return std::nullopt;
}

/// @return the trouble there was, after closing what was open
std::optional<Trouble> Store::given_up() {
    std::optional<Trouble> trouble = connection_.take_trouble();
    connection_.close();
    ids_.forget();
    lock_.release();
    return trouble ? trouble : trouble_of("cannot open " + file_);
}

bool Store::set_up() {
    sqlite3_progress_handler(connection_.handle(), 100'000, &is_over, &is_stopping_);
    const std::string locked_for = std::to_string(options_.locked_for.count());
    connection_.execute("PRAGMA busy_timeout = " + locked_for);
    for (const char* pragma : {"page_size = 4096",
                               "auto_vacuum = INCREMENTAL",
                               "journal_mode = WAL",
                               "synchronous = NORMAL",
                               "cache_size = -16384",
                               "temp_store = MEMORY",
                               "journal_size_limit = 16777216",
                               "foreign_keys = OFF",
                               "analysis_limit = 400",
                               "trusted_schema = OFF"}) {
        connection_.execute(std::string{"PRAGMA "} + pragma);
    }
    return connection_.is_well();
}

/// @return false when the file was not closed in order and is ruined
bool Store::is_sound() {
    const std::int64_t was_clean =
        connection_.integer("SELECT value FROM meta WHERE key = 'clean_stop'").value_or(1);
    if (was_clean == 0 && bytes_used() <= kCheckedBytesMax) {
        Use check = connection_.use("PRAGMA quick_check(1)");
        if (check.row() && check.view(0) != "ok") {
            connection_.note(SQLITE_CORRUPT);
        }
    }
    connection_.execute(
        "INSERT INTO meta(key, value) VALUES ('clean_stop', '0') ON CONFLICT DO UPDATE SET value = "
        "'0'");
    return connection_.is_well();
}

void Store::close() {
    if (connection_.is_open()) {
        connection_.roll_back();
        static_cast<void>(connection_.take_trouble());
        connection_.execute("UPDATE meta SET value = '1' WHERE key = 'clean_stop'");
    }
    connection_.close();
    ids_.forget();
    lock_.release();
}

std::optional<Trouble> Store::write(Batch& batch, Pending& pending, Extent extent) {
    const BatchWriter::Ends before = rows_.ends();
    connection_.execute("BEGIN IMMEDIATE");
    rows_.write(batch);
    if (extent >= Extent::Totals) {
        hours_.write_totals(pending);
    }
    if (extent >= Extent::Spreads) {
        hours_.write_spreads(pending);
    }
    connection_.execute("COMMIT");
    if (!connection_.is_well()) {
        connection_.roll_back();
        // What was added to it is gone again.
        ids_.forget();
        rows_.go_back_to(before);
        return connection_.take_trouble();
    }
    if (extent >= Extent::Totals) {
        pending.clear_totals();
    }
    if (extent >= Extent::Spreads) {
        pending.clear_spreads();
    }
    return std::nullopt;
}

void Store::set_max_size(std::uint64_t bytes) {
    options_.max_size = bytes;
    if (connection_.is_open()) {
        constexpr std::int64_t kNoLimit = 4'294'967'294;
        const std::int64_t pages = pages_max() == 0 ? kNoLimit : pages_max();
        connection_.execute("PRAGMA max_page_count = " + std::to_string(pages));
    }
}

std::int64_t Store::pages_max() const {
    constexpr std::uint64_t kLeast = std::uint64_t{1} << 20U;
    std::uint64_t bytes = options_.max_size;
    if (is_in_memory()) {
        bytes = bytes == 0 ? kMemoryBytesMax : std::min(bytes, kMemoryBytesMax);
    }
    return bytes == 0 ? 0 : static_cast<std::int64_t>(std::max(bytes, kLeast) / kPageBytes);
}

std::uint64_t Store::bytes_used() {
    const std::int64_t pages = connection_.integer("PRAGMA page_count").value_or(0);
    const std::int64_t unused = connection_.integer("PRAGMA freelist_count").value_or(0);
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, pages - unused)) * kPageBytes;
}

std::uint64_t Store::ballast_bytes() const {
    constexpr std::uint64_t kLeast = std::uint64_t{1} << 20U;
    constexpr std::uint64_t kMost = std::uint64_t{32} << 20U;
    constexpr std::uint64_t kShare = 64;
    return options_.max_size == 0 ? kMost : std::clamp(options_.max_size / kShare, kLeast, kMost);
}

void Store::fit_log_into(std::uint64_t ballast_bytes) {
    constexpr std::uint64_t kPages = 1000;
    constexpr std::uint64_t kPagesMin = 64;
    const std::uint64_t pages = std::clamp(ballast_bytes / 2 / kPageBytes, kPagesMin, kPages);
    connection_.execute("PRAGMA wal_autocheckpoint = " + std::to_string(pages));
}

void Store::days_are_summed_up_to(std::int64_t last_day) {
    last_day_ = last_day;
    hours_.days_are_summed_up_to(last_day);
}

}  // namespace weir::ledger
