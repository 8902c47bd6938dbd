#pragma once

#include "ledger/connection.hpp"

#include <cstdint>

namespace weir::ledger {

/// Gives each row of a table a row id of its own: its time, or the next that is free behind the
/// last one that was given. A row more than kBackUs older than that one (the clock was ahead, and
/// was put right) has its own time again, among what is there.
///
/// Thread: the writer's, within a transaction. Copy it before, and take the copy back when the
/// transaction is undone.
class RowTimes {
public:
    static constexpr std::int64_t kBackUs = 3'600'000'000;

    /// Where the table ends, and how its row ids are looked up.
    struct Questions {
        const char* last;      ///< the last row id
        const char* at_least;  ///< the first row id from ?1 on
    };

    explicit RowTimes(const Questions& questions) : questions_{questions} {}

    /// Reads where the table ends. After opening the file.
    void find_end(Connection& connection);

    /// @param t µs since 1970
    [[nodiscard]] std::int64_t place(Connection& connection, std::int64_t t);

private:
    Questions questions_;
    std::int64_t last_ = 0;           ///< the last row id that was given
    std::int64_t above_ = INT64_MAX;  ///< no row id between them is taken
};

}  // namespace weir::ledger
