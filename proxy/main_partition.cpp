#include "proxy/main_partition.hpp"

#include "maintenance/aggregate_guard.hpp"
#include "maintenance/partition_create.hpp"
#include "maintenance/partition_list.hpp"
#include "maintenance/partition_retire.hpp"
#include "maintenance/partition_set.hpp"

#include <algorithm>
#include <iostream>
#include <optional>
#include <utility>

namespace weir::proxy {

namespace {

using conf::KeyStep;
using maintenance::Answer;
using maintenance::JobContext;
using maintenance::JobResult;
using maintenance::problem;

constexpr int kFindings = 1;
constexpr int kCritical = 2;

/// Keeps what a dry run would do, for programs.
class Collector final : public maintenance::Reporter {
public:
    explicit Collector(maintenance::Reporter& other) : other_{other} {
        report_.columns = {{"table"}, {"statement"}, {"locks"}};
    }

    void progress(const maintenance::Progress& progress) override { other_.progress(progress); }

    void note(std::string_view line) override { other_.note(line); }

    void warn(std::string_view line) override { other_.warn(line); }

    void statement(std::string_view sql, std::string_view locks) override {
        report_.rows.push_back({table_,
                                std::string{sql},
                                locks.empty() ? std::optional<std::string>{} : std::string{locks}});
    }

    void set_table(const std::string& table) { table_ = table; }

    [[nodiscard]] const maintenance::Report& report() const { return report_; }

private:
    maintenance::Reporter& other_;
    maintenance::Report report_;
    std::string table_;
};

Answer<void> read_step(const char* name, const std::string& text, KeyStep& into) {
    if (text.empty()) {
        return {};
    }
    conf::Parsed<KeyStep> parsed = conf::parse_key_step(text);
    if (!parsed.value) {
        return problem(std::string{name} + " " + text, parsed.problem);
    }
    into = std::move(*parsed.value);
    return {};
}

KeyStep span_of(const char* text) {
    return *conf::parse_key_step(text).value;
}

KeyStep number_of(std::int64_t number) {
    return {{}, number, std::to_string(number)};
}

/// Half a year to a year, but not of hours.
void add_usual_horizon(conf::PartitionSettings& settings) {
    constexpr std::int64_t kMin = 6;
    constexpr std::int64_t kMax = 12;
    const bool is_short = settings.interval.span.months == 0 && settings.interval.span.days == 0;
    const bool is_number = settings.interval.is_number();
    if (settings.ahead_min.is_zero()) {
        settings.ahead_min = is_number ? number_of(kMin * settings.interval.number)
                                       : span_of(is_short ? "7 days" : "6 months");
    }
    if (settings.ahead_max.is_zero()) {
        settings.ahead_max = is_number ? number_of(kMax * settings.interval.number)
                                       : span_of(is_short ? "14 days" : "12 months");
    }
}

Answer<void> check_horizon(const conf::PartitionSettings& settings) {
    const KeyStep& least = settings.ahead_min;
    const KeyStep& most = settings.ahead_max;
    if (least.is_number() != most.is_number() || least.number > most.number ||
        least.span.about() > most.span.about()) {
        return problem("ahead of " + least.text + " to " + most.text,
                       "--ahead-max is at least --ahead-min, and of its kind");
    }
    return {};
}

/// A bare number of --retention is days, but for integer keys.
Answer<void> count_days(maintenance::Connection& db, conf::PartitionSettings& settings) {
    KeyStep& keep = settings.retention.keep;
    if (!keep.is_number()) {
        return {};
    }
    const Answer<maintenance::Relation> table = maintenance::find_relation(db, settings.table);
    if (!table) {
        return failed(table.error());
    }
    const Answer<maintenance::PartitionSet> set = maintenance::read_partition_set(db, *table);
    if (!set) {
        return failed(set.error());
    }
    return set->kind == maintenance::KeyKind::Integer
               ? Answer<void>{}
               : read_step("--retention", keep.text + " days", keep);
}

template <class Value>
Value word_of(const std::string& word,
              std::initializer_list<std::pair<const char*, Value>> words,
              Value otherwise) {
    for (const auto& [name, value] : words) {
        if (word == name) {
            return value;
        }
    }
    return otherwise;
}

}  // namespace

PartitionCommands::PartitionCommands(CLI::App& app)
    : partition_{app.add_subcommand("partition", "the partitions of tables")},
      list_{partition_->add_subcommand("list", "which there are, how large, how much in use")},
      analyze_{partition_->add_subcommand(
          "analyze", "what is wrong with them; exit 1 with findings, 2 with critical ones")},
      create_{partition_->add_subcommand("create", "make those that are missing")},
      cleanup_{partition_->add_subcommand("cleanup", "let go of those that are older than kept")},
      convert_{*partition_} {
    partition_->require_subcommand(1);
    for (CLI::App* command : {list_, analyze_, create_, cleanup_}) {
        add_place(*command, arguments_);
        add_forms(*command, arguments_);
        auto* table = command->add_option(
            "table", table_, "a partitioned table, as PostgreSQL reads its name");
        if (command == list_) {
            table->required();
        } else {
            table->description("a partitioned table; without it all of [[partition]]");
            command->add_option("--timezone", timezone_, "instead of maintenance.timezone");
        }
    }
    analyze_->get_option("table")->description("a partitioned table; without it the database");
    for (CLI::App* command : {create_, cleanup_}) {
        add_dry_run(*command, arguments_);
        command->add_option(
            "--retention", retention_, "how long partitions are kept: \"12 months\", or days");
    }
    add_create();
    add_cleanup();
    add_analyze();
}

void PartitionCommands::add_create() {
    create_->add_option("--key", key_, "the column it is partitioned by");
    create_->add_option("--interval", interval_, "how wide: daily, \"1 month\", 1000000, …");
    create_->add_option("--ahead-min", ahead_min_, "partitions are made when less is left");
    create_->add_option("--ahead-max", ahead_max_, "and then up to there");
    create_->add_option("--default", default_, "what becomes of DEFAULT: none, keep or guard")
        ->check(CLI::IsMember({"none", "keep", "guard"}));
    create_
        ->add_option("--for", value_, "make the one that holds this value of the key, and no other")
        ->needs(create_->get_option("table"))
        ->excludes(create_->get_option("--dry-run"));
    create_->add_option("--name", name_, "what they are called: {table}_p{YYYYMM}, …");
}

void PartitionCommands::add_cleanup() {
    cleanup_->add_option("--action", action_, "detach, archive or drop")
        ->check(CLI::IsMember({"detach", "archive", "drop"}));
    cleanup_->add_option("--quarantine", quarantine_, "between detaching and dropping");
    cleanup_->add_option("--archive-schema", archive_schema_, "where archive moves them");
    cleanup_->add_option("--max-drops", max_drops_, "partitions a run lets go of, at most")
        ->check(CLI::PositiveNumber);
    cleanup_->add_flag("--enforce", is_enforced_, "do it; else it is said what would go");
}

void PartitionCommands::add_analyze() {
    analyze_
        ->add_option("--threshold",
                     thresholds_.rows_of_plain_table,
                     "rows from which on a plain table should be partitioned (25000000)")
        ->check(CLI::PositiveNumber);
}

Answer<void> PartitionCommands::add_switches(conf::PartitionSettings& settings) const {
    for (const auto& [name, text, into] :
         {std::tuple{"--interval", &interval_, &settings.interval},
          std::tuple{"--ahead-min", &ahead_min_, &settings.ahead_min},
          std::tuple{"--ahead-max", &ahead_max_, &settings.ahead_max}}) {
        if (Answer<void> read = read_step(name, *text, *into); !read) {
            return read;
        }
    }
    settings.key = key_.empty() ? settings.key : key_;
    settings.name = name_.empty() ? settings.name : name_;
    using conf::DefaultPartition;
    settings.default_partition = word_of<DefaultPartition>(default_,
                                                           {{"none", DefaultPartition::None},
                                                            {"keep", DefaultPartition::Keep},
                                                            {"guard", DefaultPartition::Guard}},
                                                           settings.default_partition);
    if (create_->parsed()) {
        if (settings.interval.is_zero()) {
            return problem(settings.table + ": is in no [[partition]]",
                           "--interval says how wide its partitions are to be");
        }
        add_usual_horizon(settings);
        if (Answer<void> fine = check_horizon(settings); !fine) {
            return fine;
        }
    }
    return add_retention(settings);
}

Answer<void> PartitionCommands::add_retention(conf::PartitionSettings& settings) const {
    using conf::RetentionAction;
    constexpr unsigned kUsualDrops = 2;
    conf::RetentionSettings& retention = settings.retention;
    if (Answer<void> read = read_step("--retention", retention_, retention.keep); !read) {
        return read;
    }
    if (!quarantine_.empty()) {
        const auto span = conf::parse_calendar_span(quarantine_);
        if (!span.value) {
            return problem("--quarantine " + quarantine_, span.problem);
        }
        retention.quarantine = *span.value;
    }
    retention.action = word_of<RetentionAction>(action_,
                                                {{"detach", RetentionAction::Detach},
                                                 {"archive", RetentionAction::Archive},
                                                 {"drop", RetentionAction::Drop}},
                                                retention.action);
    if (!archive_schema_.empty()) {
        retention.archive_schema = archive_schema_;
    }
    if (max_drops_ > 0 || retention.max_drops_per_run == 0) {
        retention.max_drops_per_run = max_drops_ > 0 ? max_drops_ : kUsualDrops;
    }
    retention.enforce = retention.enforce || is_enforced_;
    if (cleanup_->parsed() && retention.keep.is_zero()) {
        return problem(settings.table + ": nothing says how long its partitions are kept",
                       "--retention, or retention.keep in its [[partition]]");
    }
    return {};
}

/// @return the [[partition]]s that a command without a table is about
std::vector<conf::PartitionSettings> PartitionCommands::all_configured(
    const conf::Config& config) const {
    std::vector<conf::PartitionSettings> all;
    for (const conf::PartitionSettings& one : config.partitions) {
        if (create_->parsed() || !one.retention.keep.is_zero() || !retention_.empty()) {
            all.push_back(one);
        }
    }
    return all;
}

/// @return the [[partition]] of the table that is named, else one that says nothing but its name
Answer<std::vector<conf::PartitionSettings>> PartitionCommands::named(
    MaintenanceSession& session) const {
    const Answer<maintenance::Relation> table = maintenance::find_relation(session.db, table_);
    if (!table) {
        return failed(table.error());
    }
    std::vector<conf::PartitionSettings> all;
    for (const conf::PartitionSettings& one : session.config.partitions) {
        const auto its = maintenance::find_relation(session.db, one.table);
        if (its && its->oid == table->oid) {
            all.push_back(one);
        }
    }
    if (all.empty()) {
        all.emplace_back().table = table_;
    }
    return all;
}

Answer<std::vector<conf::PartitionSettings>> PartitionCommands::wanted(
    MaintenanceSession& session) const {
    std::vector<conf::PartitionSettings> all = all_configured(session.config);
    if (!table_.empty()) {
        Answer<std::vector<conf::PartitionSettings>> one = named(session);
        if (!one) {
            return one;
        }
        all = std::move(*one);
    } else if (all.empty() && !session.config.partitions.empty()) {
        return problem("no [[partition]] says how long its partitions are kept",
                       "retention.keep does, or --retention");
    } else if (all.empty()) {
        return problem("no table is named, and no [[partition]] says one",
                       "weir partition create TABLE --interval monthly");
    }
    for (conf::PartitionSettings& one : all) {
        if (const Answer<void> done = add_switches(one); !done) {
            return failed(done.error());
        }
        if (retention_.empty()) {
            continue;
        }
        if (const Answer<void> done = count_days(session.db, one); !done) {
            return failed(done.error());
        }
    }
    return all;
}

conf::MaintenanceSettings PartitionCommands::maintenance_of(
    const MaintenanceSession& session) const {
    conf::MaintenanceSettings settings = session.job.settings;
    settings.timezone = timezone_.empty() ? settings.timezone : timezone_;
    return settings;
}

int PartitionCommands::for_each(MaintenanceSession& session, const Job& job) const {
    const Answer<std::vector<conf::PartitionSettings>> tables = wanted(session);
    if (!tables) {
        return complain(tables.error());
    }
    const bool is_for_programs = arguments_.json || arguments_.csv;
    const conf::MaintenanceSettings settings = maintenance_of(session);
    Collector collector{session.job.reporter};
    const bool collects = is_for_programs && arguments_.is_dry;
    JobContext context{.db = session.db,
                       .settings = settings,
                       .stop = session.job.stop,
                       .reporter = collects ? static_cast<maintenance::Reporter&>(collector)
                                            : session.job.reporter,
                       .is_dry = arguments_.is_dry};
    maintenance::Report results;
    results.columns = {{"table"}, {"result"}, {"partitions", true}, {"text"}};
    int status = 0;
    for (const conf::PartitionSettings& one : *tables) {
        collector.set_table(one.table);
        const JobResult result = job(context, one);
        results.rows.push_back({one.table,
                                std::string{maintenance::name_of(result.end)},
                                std::to_string(result.rows),
                                result.text});
        status = std::max(status, conclude(result));
        if (!session.db.is_alive()) {
            break;
        }
    }
    if (is_for_programs) {
        print(collects ? collector.report() : results, arguments_);
    }
    return status;
}

int PartitionCommands::create(MaintenanceSession& session) const {
    const auto guard = maintenance::guard_of(session.config.aggregates);
    return for_each(session, [&](JobContext& job, const conf::PartitionSettings& settings) {
        JobResult result = maintenance::ensure_partitions(job, settings);
        if (!retention_.empty() && result.end != JobResult::End::Failed && !job.is_dry) {
            // What is kept is `cleanup`'s: here it is only said.
            conf::PartitionSettings told = settings;
            told.retention.enforce = false;
            const JobResult old = maintenance::retire_partitions(job, told, guard);
            job.reporter.note(old.text);
        }
        return result;
    });
}

int PartitionCommands::create_for_value(MaintenanceSession& session) const {
    const Answer<std::vector<conf::PartitionSettings>> tables = wanted(session);
    if (!tables) {
        return complain(tables.error());
    }
    const conf::MaintenanceSettings settings = maintenance_of(session);
    JobContext job{.db = session.db,
                   .settings = settings,
                   .stop = session.job.stop,
                   .reporter = session.job.reporter};
    const Answer<std::string> name = maintenance::make_partition_for(job, tables->front(), value_);
    if (!name) {
        return complain(name.error());
    }
    maintenance::Report report;
    report.columns = {{"partition"}};
    report.rows = {{*name}};
    print(report, arguments_);
    return 0;
}

int PartitionCommands::cleanup(MaintenanceSession& session) const {
    const auto guard = maintenance::guard_of(session.config.aggregates);
    return for_each(session, [&guard](JobContext& job, const conf::PartitionSettings& settings) {
        return maintenance::retire_partitions(job, settings, guard);
    });
}

int PartitionCommands::list(MaintenanceSession& session) const {
    const auto report = maintenance::list_partitions(session.db, table_);
    if (!report) {
        return complain(report.error());
    }
    print(*report, arguments_);
    return 0;
}

int PartitionCommands::analyze(MaintenanceSession& session) const {
    using maintenance::PartitionFinding;
    using Findings = std::vector<PartitionFinding>;
    const conf::MaintenanceSettings settings = maintenance_of(session);
    JobContext job{.db = session.db,
                   .settings = settings,
                   .stop = session.job.stop,
                   .reporter = session.job.reporter};
    const std::string& database =
        arguments_.database.empty() ? settings.database : arguments_.database;
    const std::vector<maintenance::SeenStatement> seen = maintenance::read_seen_statements(
        session.config.ledger.path, database, session.job.reporter);
    Answer<Findings> findings = Findings{};
    if (table_.empty()) {
        findings = maintenance::analyze_database(job, session.config.partitions, thresholds_, seen);
    } else {
        findings =
            maintenance::analyze_table(job, table_, session.config.partitions, thresholds_, seen);
    }
    if (!findings) {
        return complain(findings.error());
    }
    print(maintenance::report_of(*findings), arguments_);
    int status = 0;
    for (const PartitionFinding& finding : *findings) {
        if (finding.severity != PartitionFinding::Severity::Info) {
            const bool is_critical = finding.severity == PartitionFinding::Severity::Critical;
            status = std::max(status, is_critical ? kCritical : kFindings);
        }
    }
    return status;
}

int PartitionCommands::run() const {
    if (convert_.is_wanted()) {
        return convert_.run();
    }
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        if (list_->parsed()) {
            return list(session);
        }
        if (analyze_->parsed()) {
            return analyze(session);
        }
        if (cleanup_->parsed()) {
            return cleanup(session);
        }
        return value_.empty() ? create(session) : create_for_value(session);
    });
}

}  // namespace weir::proxy
