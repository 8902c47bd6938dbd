#pragma once

#include "base/cache_use.hpp"
#include "base/sqlstate.hpp"
#include "base/statement_detail.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

/// What the ledger is told of statements. Plain values; what is shared is immutable.
namespace weir::ledger {

using std::chrono::microseconds;

/// Statements that are alike: the same text but for literals, comments and white space.
struct Digest {
    std::uint64_t hash = 0;  ///< of `text`, the same in every process
    std::string text;        ///< without literals
    std::string kind;        ///< its first word in lower case: "select", "begin"
    std::string tables;      ///< those it names, with commas between: "orders, public.items"
};

/// For whom it ran.
struct Labels {
    std::string database;
    std::string user;
    std::string application;

    bool operator==(const Labels&) const = default;
};

using DigestPtr = std::shared_ptr<const Digest>;
using LabelsPtr = std::shared_ptr<const Labels>;

/// Why it waited for a server connection.
enum class WaitReason : std::uint8_t {
    None,
    PoolFull,
    Dialling,
    Failover,        ///< no member of the cluster took it
    Paused,          ///< by an operator
    ApplicationMax,  ///< its application had as many as it may
};

/// One statement that has ended.
struct Statement {
    DigestPtr digest;
    LabelsPtr labels;
    std::int64_t ended_unix_us = 0;
    std::string member;             ///< the server that ran it; "" = the primary, or the only one
    std::uint64_t session = 0;      ///< its client's number in SHOW CLIENTS
    std::string client;             ///< its client's address
    microseconds total{};           ///< from its message to the end of its answer
    microseconds wait{};            ///< of that: for a server connection
    microseconds server{};          ///< of that: for the server
    microseconds sending{};         ///< of that: for the client to take its rows
    std::uint64_t rows = 0;         ///< returned, or affected
    std::uint64_t bytes = 0;        ///< of the answer
    std::optional<SqlState> error;  ///< that ended it
    WaitReason wait_reason = WaitReason::None;
    bool is_slow = false;
    bool is_retried = false;
    bool is_cut = false;  ///< it met a limit of rows or bytes
    CacheUse cache = CacheUse::None;
    microseconds saved{};  ///< of a Hit: how long the server once took for that result
    std::unique_ptr<StatementDetail> detail;
};

/// One client's life.
struct Session {
    LabelsPtr labels;
    std::uint64_t id = 0;
    std::string client;
    std::int64_t began_unix_us = 0;
    std::int64_t ended_unix_us = 0;
    std::uint64_t statements = 0;
    std::uint64_t errors = 0;  ///< that ended statements
    std::uint64_t transactions = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::string end_reason;
};

}  // namespace weir::ledger
