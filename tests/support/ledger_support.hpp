#pragma once

#include "ledger/ledger.hpp"
#include "ledger/questions.hpp"
#include "ledger/reader.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace weir::test {

/// A folder of its own that is gone afterwards.
class Folder {
public:
    Folder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "weir-ledger-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    Folder(Folder&&) = delete;
    Folder& operator=(Folder&&) = delete;

    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string file(const std::string& name = "ledger.db") const {
        return path_ + "/" + name;
    }

private:
    std::string path_;
};

/// 2026-11-22 10:00:00 UTC, the beginning of an hour.
inline constexpr std::int64_t kTen = 1'795'341'600'000'000;

template <std::integral Number>
ledger::DigestPtr make_digest(Number hash, const std::string& text) {
    return std::make_shared<const ledger::Digest>(
        ledger::Digest{.hash = static_cast<std::uint64_t>(hash),
                       .text = text,
                       .kind = text.substr(0, text.find(' ')),
                       .tables = "orders"});
}

inline ledger::LabelsPtr make_labels(const std::string& database = "shop",
                                     const std::string& user = "app",
                                     const std::string& application = "web") {
    return std::make_shared<const ledger::Labels>(
        ledger::Labels{.database = database, .user = user, .application = application});
}

/// One that took `total` µs, a tenth of it waiting.
inline ledger::Statement make_statement(const ledger::DigestPtr& digest,
                                        const ledger::LabelsPtr& labels,
                                        std::int64_t ended_us,
                                        std::int64_t total_us) {
    ledger::Statement statement;
    statement.digest = digest;
    statement.labels = labels;
    statement.ended_unix_us = ended_us;
    statement.total = std::chrono::microseconds{total_us};
    statement.wait = std::chrono::microseconds{total_us / 10};
    statement.server = std::chrono::microseconds{total_us - total_us / 10};
    statement.rows = 2;
    statement.bytes = 100;
    return statement;
}

inline conf::LedgerSettings ledger_settings(const std::string& path, double sample_rate = 1) {
    using std::chrono::hours;
    return {.path = path,
            .sample_rate = sample_rate,
            .retention = {.statements = hours{14 * 24},
                          .hourly = hours{400 * 24},
                          .events = hours{90 * 24}},
            .max_size = std::uint64_t{2} << 30U};
}

/// Everything soon, at the time that `clock` says.
inline ledger::Ledger::Options ledger_options(
    const std::string& path, std::shared_ptr<std::atomic<std::int64_t>> clock = nullptr) {
    using std::chrono::milliseconds;
    ledger::Ledger::Options options;
    options.settings = ledger_settings(path);
    options.pace = {.tick = milliseconds{5},
                    .rows_every = milliseconds{10},
                    .totals_every = milliseconds{20},
                    .spreads_every = milliseconds{50},
                    .retry_every = milliseconds{20},
                    .rounds_every = milliseconds{60'000},
                    .locked_for = milliseconds{20}};
    if (clock) {
        options.unix_us = [clock = std::move(clock)] { return clock->load(); };
    }
    return options;
}

/// Long enough for a machine that is busy with other things.
inline constexpr std::chrono::seconds kPatience{30};

/// Asks again until `is_so` says yes, each time after a sync was tried.
template <class Condition>
bool wait_for(ledger::Ledger& ledger, const Condition& is_so) {
    const auto due = std::chrono::steady_clock::now() + kPatience;
    while (!is_so()) {
        if (std::chrono::steady_clock::now() >= due) {
            return false;
        }
        static_cast<void>(ledger.sync(kPatience));
        ::usleep(1000);
    }
    return true;
}

}  // namespace weir::test
