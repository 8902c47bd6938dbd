#pragma once

#include "ledger/housekeeper.hpp"
#include "ledger/reader.hpp"
#include "ledger/recorder.hpp"
#include "ledger/store.hpp"
#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

namespace weir::test {

/// A ledger without its thread: what is added is written when flush() says so.
class Book {
public:
    explicit Book(double sample_rate = 1, std::uint64_t max_size = 0, const std::string& path = "")
        : rate_{sample_rate}, path_{path.empty() ? folder_.file() : path} {
        REQUIRE_FALSE(store.open(
            {.path = path_, .max_size = max_size, .locked_for = std::chrono::milliseconds{10}}));
    }

    void add(ledger::Statement statement) { recorder.add(std::move(statement)); }

    /// @return what went wrong
    std::optional<ledger::Trouble> flush() {
        recorder.hand_over();
        if (const auto table = recorder.take()) {
            pending.add(*table);
        }
        while (auto sample = recorder.take_sample()) {
            batch.samples.push_back(std::move(*sample));
        }
        while (auto session = recorder.take_session()) {
            batch.sessions.push_back(std::move(*session));
        }
        auto trouble = store.write(batch, pending, ledger::Extent::Spreads);
        if (!trouble) {
            batch.clear();
        }
        return trouble;
    }

    /// @return the one number that it gives
    std::int64_t number(const char* sql) { return store.connection().integer(sql).value_or(-1); }

    void open(ledger::Reader& reader) const { REQUIRE_FALSE(reader.open(store.uri())); }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    Folder folder_;
    std::atomic<double> rate_;
    std::string path_;

public:
    ledger::Store store;
    ledger::Recorder recorder{rate_, 7};
    ledger::Pending pending;
    ledger::Batch batch;
};

}  // namespace weir::test
