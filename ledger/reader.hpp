#pragma once

#include "ledger/connection.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace weir::ledger {

/// A value of a row: nothing, a number, text or bytes.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

/// What a free question has found.
struct Rows {
    std::vector<std::string> columns;
    std::vector<std::vector<Value>> rows;
    bool is_cut = false;  ///< there were more than were wanted
};

/// Reads a ledger: of this process, of another one, or of none. It can change nothing; what takes
/// longer than kPatience is ended; results are copied out, so that a slow reader of answers holds
/// nothing open.
///
/// Thread: one at a time; a Reader for each thread that asks.
class Reader {
public:
    static constexpr std::chrono::milliseconds kPatience{2000};
    static constexpr std::size_t kRowsMax = 10'000;

    Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    Reader(Reader&&) = delete;
    Reader& operator=(Reader&&) = delete;
    ~Reader();

    /// @param what a path, or what Ledger::uri() says
    /// @return what is in the way, for people
    [[nodiscard]] std::optional<std::string> open(const std::string& what);

    /// Runs SELECTs of others: only what reads, at most `limit` rows.
    ///
    /// @param limit at most kRowsMax
    /// @return nothing on trouble: see problem()
    [[nodiscard]] std::optional<Rows> select(const std::string& sql, std::size_t limit = kRowsMax);

    /// Begins a question that takes as long as it takes: not for who serves others meanwhile.
    [[nodiscard]] Connection& ask_patiently();

    /// Begins a question: its two seconds run from now, and the trouble of the last one is
    /// forgotten.
    [[nodiscard]] Connection& ask();

    /// What went wrong with the last question; "" = nothing.
    [[nodiscard]] std::string problem() const;

private:
    struct Guard;

    [[nodiscard]] sqlite3_stmt* prepare(const std::string& sql);

    std::unique_ptr<Guard> guard_;
    Connection connection_;
    bool is_older_ = false;  // than this program: columns are missing
};

}  // namespace weir::ledger
