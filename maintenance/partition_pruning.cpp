#include "maintenance/partition_pruning.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <string_view>
#include <utility>

namespace weir::maintenance {

namespace {

using Severity = PartitionFinding::Severity;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

/// What a statement has to be, to be looked at, and to be critical.
constexpr std::uint64_t kCalls = 100;
constexpr std::uint64_t kCallsCritical = 1000;
constexpr auto kTime = minutes{5};
constexpr auto kTimeCritical = hours{1};

/// A plan is made with locks on all partitions: nobody is to wait behind it.
constexpr std::chrono::milliseconds kLimit{2000};
constexpr const char* kLimits =
    "SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '2s'";
/// So many partitions have a condition tried on them, the newest first.
constexpr std::size_t kTried = 100;

bool has_word(std::string_view text, std::string_view word) {
    const auto is_of_word = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
    };
    for (std::size_t at = text.find(word); at != std::string_view::npos;
         at = text.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if ((at == 0 || !is_of_word(text[at - 1])) &&
            (end == text.size() || !is_of_word(text[end]))) {
            return true;
        }
    }
    return false;
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> words;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (end > 0) {
            words.push_back(text.substr(0, end));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// Types whose name may stand before a literal, and not before a parameter.
constexpr std::array<std::string_view, 5> kLiteralTypes{
    "date", "time", "timestamp", "timestamptz", "interval"};
constexpr std::array<std::string_view, 4> kExplainable{"select", "update", "delete", "with"};

struct Weight {
    bool matters = false;
    bool is_critical = false;
};

Weight weight_of(const SeenStatement& statement) {
    const microseconds time{statement.total_us};
    return {statement.calls > kCalls || time > kTime,
            statement.calls > kCallsCritical || time > kTimeCritical};
}

/// @return the generic plan, as JSON; whatever was prepared is the caller's to let go
Answer<Rows> explain(Connection& db, const std::string& statement, std::size_t parameters) {
    Answer<Transaction> transaction = Transaction::begin(db, "BEGIN READ ONLY");
    if (!transaction) {
        return failed(transaction.error());
    }
    const Answer<Rows> set =
        db.run(std::string{"SET LOCAL plan_cache_mode = force_generic_plan; "} + kLimits);
    if (!set) {
        return failed(set.error());
    }
    if (const Answer<Rows> prepared = db.run("PREPARE weir_explained AS " + statement, {}, kLimit);
        !prepared) {
        return failed(prepared.error());
    }
    std::string nulls;
    for (std::size_t i = 0; i < parameters; ++i) {
        nulls += i == 0 ? "(NULL" : ", NULL";
    }
    nulls += parameters == 0 ? "" : ")";
    return db.run(
        "EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) EXECUTE weir_explained" + nulls, {}, kLimit);
}

/// What is scanned counts: an UPDATE names all partitions as its targets, whichever it reads.
/// @return how many partitions of the table a plan reads, and how many there are
Answer<Rows> read_partitions(Connection& db, const PartitionSet& set, const std::string& plan) {
    return db.run(
        "WITH read AS (SELECT DISTINCT n ->> 'Schema' AS schema, n ->> 'Relation Name' AS name "
        "FROM pg_catalog.jsonb_path_query($1::jsonb, '$.** ? (@.\"Node Type\" like_regex "
        "\"Scan\")') n) "
        "SELECT count(*) FILTER (WHERE r.name IS NOT NULL), count(*) FROM " +
            partition_tree_sql("$2::oid") +
            " t JOIN pg_catalog.pg_class c ON c.oid = t.relid "
            "JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace LEFT JOIN read r ON r.schema "
            "= "
            "s.nspname AND r.name = c.relname WHERE t.isleaf",
        {plan, std::to_string(set.table.oid)},
        kLimit);
}

/// @return the condition that holds in one partition and in no other
std::string condition_of(const PartitionSet& set, const PartitionRange& range) {
    const std::string key = quote_identifier(set.key);
    std::string all;
    if (!range.lo.is_open()) {
        all = key + " >= " + range.lo.sql();
    }
    if (!range.hi.is_open()) {
        all += (all.empty() ? "" : " AND ") + key + " < " + range.hi.sql();
    }
    return all;
}

/// @return what a plan for the rows of that partition reads, as read_partitions() says it
Answer<Rows> try_condition(Connection& db, const PartitionSet& set, const std::string& condition) {
    Answer<Transaction> transaction = Transaction::begin(db, "BEGIN READ ONLY");
    if (!transaction) {
        return failed(transaction.error());
    }
    if (const Answer<Rows> limited = db.run(kLimits); !limited) {
        return failed(limited.error());
    }
    const Answer<Rows> plan = db.run("EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) SELECT FROM " +
                                         set.table.sql() + " WHERE " + condition,
                                     {},
                                     kLimit);
    return plan ? read_partitions(db, set, plan->text(0, 0)) : failed(plan.error());
}

/// @return how many partitions without any of their own that one consists of
Answer<std::int64_t> leaves_of(Connection& db, const Partition& partition) {
    if (partition.relation.kind != 'p') {
        return 1;
    }
    const Answer<Rows> rows =
        db.run("SELECT count(*) FROM " + partition_tree_sql("$1::oid") + " t WHERE isleaf",
               {std::to_string(partition.relation.oid)});
    return rows ? Answer<std::int64_t>{rows->number(0, 0)} : failed(rows.error());
}

/// What ALTER DATABASE and ALTER ROLE have set for clients, whoever is logged in here.
Answer<void> add_settings(Connection& db,
                          const PartitionSet& set,
                          std::vector<PartitionFinding>& findings) {
    const Answer<Rows> rows = db.run(
        "SELECT concat_ws(' in ', 'role ' || quote_ident(r.rolname), 'database ' || "
        "quote_ident(d.datname)), concat_ws(' IN DATABASE ', 'ROLE ' || quote_ident(r.rolname), "
        "quote_ident(d.datname)), r.rolname IS NULL FROM pg_catalog.pg_db_role_setting s LEFT JOIN "
        "pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = "
        "s.setdatabase WHERE (s.setdatabase = 0 OR d.datname = current_database()) AND EXISTS "
        "(SELECT FROM unnest(s.setconfig) c WHERE c ~* "
        "'^enable_partition_pruning=(of|off|f|fa|fal|fals|false|n|no|0)$') ORDER BY 1");
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const std::string of = (rows->flag(i, 2) ? "DATABASE " : "") + rows->text(i, 1);
        findings.push_back(
            {Severity::Critical,
             set.table.text(),
             {},
             "is not pruned for " + rows->text(i, 0) + ": enable_partition_pruning is off",
             "ALTER " + of + " RESET enable_partition_pruning"});
    }
    return {};
}

std::string advice_for(const PartitionSet& set, const std::string& text) {
    return has_word(text, set.key)
               ? "compare " + set.key +
                     " itself (>= and <): a function around it, or a join, does not tell the "
                     "planner which partitions"
               : "add a condition on " + set.key + " where it is known";
}

}  // namespace

std::string preparable(const std::string& shape) {
    std::vector<std::string_view> words = split(shape);
    while (!words.empty() && words.back() == ";") {
        words.pop_back();
    }
    if (words.empty() || !is_one_of(words.front(), kExplainable)) {
        return {};
    }
    std::string text;
    unsigned parameters = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i].find(';') != std::string_view::npos) {
            return {};
        }
        const bool is_typed =
            is_one_of(words[i], kLiteralTypes) && i + 1 < words.size() && words[i + 1] == "?";
        if (is_typed) {
            text += "$" + std::to_string(++parameters) + "::" + std::string{words[i]} + " ";
            ++i;
        } else if (words[i] == "?") {
            text += "$" + std::to_string(++parameters) + " ";
        } else {
            text += std::string{words[i]} + " ";
        }
    }
    text.pop_back();
    return text;
}

Answer<std::vector<PartitionFinding>> find_unpruned(JobContext& job,
                                                    const PartitionSet& set,
                                                    const std::vector<SeenStatement>& statements) {
    std::vector<PartitionFinding> findings;
    for (const SeenStatement& seen : statements) {
        const auto [matters, is_critical] = weight_of(seen);
        const std::string text = preparable(seen.text);
        if (!matters || text.empty() || !has_word(text, set.table.name)) {
            continue;
        }
        const auto parameters = static_cast<std::size_t>(std::count(text.begin(), text.end(), '$'));
        const Answer<Rows> plan = explain(job.db, text, parameters);
        if (const Answer<Rows> gone = job.db.run("DEALLOCATE ALL"); !gone) {
            return failed(gone.error());
        }
        if (!plan || plan->empty()) {
            continue;
        }
        const Answer<Rows> read = read_partitions(job.db, set, plan->text(0, 0));
        if (!read) {
            return failed(read.error());
        }
        const std::int64_t all = read->number(0, 1);
        if (all > 1 && read->number(0, 0) == all) {
            findings.push_back({is_critical ? Severity::Critical : Severity::Warn,
                                set.table.text(),
                                {},
                                "is not pruned: all " + std::to_string(all) +
                                    " partitions are in the plan of a statement called " +
                                    std::to_string(seen.calls) + " times: " + seen.text,
                                advice_for(set, seen.text)});
        }
    }
    return findings;
}

Answer<std::vector<PartitionFinding>> find_pruning_off(JobContext& job, const PartitionSet& set) {
    std::vector<PartitionFinding> findings;
    if (!set.unsupported.empty() || set.partitions.size() < 2) {
        return findings;
    }
    if (const Answer<void> done = add_settings(job.db, set, findings); !done) {
        return failed(done.error());
    }
    const std::string what = "a condition on " + set.key + " reads ";
    std::string told;
    const std::size_t tried = std::min(kTried, set.partitions.size());
    for (std::size_t i = 0; i < tried && !job.should_end(); ++i) {
        const Partition& partition = set.partitions[set.partitions.size() - 1 - i];
        const Answer<std::int64_t> leaves = leaves_of(job.db, partition);
        const Answer<Rows> read =
            leaves ? try_condition(job.db, set, condition_of(set, partition.range))
                   : failed(leaves.error());
        if (!read) {
            if (!job.db.is_alive()) {
                return failed(read.error());
            }
            job.reporter.note(set.table.text() + ": whether " + set.key + " prunes " +
                              partition.relation.text() + " is not known: " + read.error().line());
            continue;
        }
        const std::string count = read->text(0, 0) + " of " + read->text(0, 1) + " partitions";
        if (read->number(0, 0) > *leaves) {
            findings.push_back({Severity::Critical,
                                set.table.text(),
                                partition.relation.text(),
                                std::string{"is not pruned: "}.append(what).append(count),
                                "SET enable_partition_pruning = on"});
            return findings;
        }
        told = told.empty() ? count : told;
    }
    if (!told.empty()) {
        job.reporter.note(set.table.text() + ": " + what + told);
    }
    return findings;
}

}  // namespace weir::maintenance
