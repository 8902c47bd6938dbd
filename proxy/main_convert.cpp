#include "proxy/main_convert.hpp"

#include "maintenance/convert_table.hpp"
#include "maintenance/default_swap.hpp"

#include <utility>

namespace weir::proxy {

namespace {

using conf::KeyStep;
using maintenance::Answer;
using maintenance::ConvertWish;
using maintenance::problem;

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

/// A year, a fortnight of short intervals, a dozen of numbers.
KeyStep usual_ahead(const KeyStep& interval) {
    constexpr std::int64_t kIntervals = 12;
    if (interval.is_number()) {
        const std::int64_t number = interval.number * kIntervals;
        return {{}, number, std::to_string(number)};
    }
    const bool is_short = interval.span.months == 0 && interval.span.days == 0;
    return *conf::parse_key_step(is_short ? "14 days" : "12 months").value;
}

}  // namespace

ConvertCommand::ConvertCommand(CLI::App& partition)
    : convert_{
          partition.add_subcommand("convert", "make a partitioned table of a plain one, online")} {
    add_place(*convert_, arguments_);
    add_dry_run(*convert_, arguments_);
    convert_->add_option("table", table_, "a table, as PostgreSQL reads its name")->required();
    convert_->add_option("--key", key_, "the column it is to be partitioned by");
    convert_->add_option("--interval", interval_, "how wide: daily, \"1 month\", 1000000, …");
    convert_->add_option("--ahead", ahead_, "how far partitions are made (12 months)");
    convert_->add_option("--name", name_, "what they are called: {table}_p{YYYYMM}, …");
    convert_->add_option("--timezone", timezone_, "instead of maintenance.timezone");
    convert_->add_flag("--widen-primary-key",
                       widens_primary_key_,
                       "add the column to a primary key that does not hold it");
    convert_
        ->add_flag("--empty-default",
                   empties_default_,
                   "give the rows of its DEFAULT partition partitions of their own")
        ->excludes("--widen-primary-key");
}

Answer<ConvertWish> ConvertCommand::wish(const MaintenanceSession& session) const {
    ConvertWish wish;
    wish.table = table_;
    wish.widens_primary_key = widens_primary_key_;
    const Answer<maintenance::Relation> table = maintenance::find_relation(session.db, table_);
    if (!table) {
        return failed(table.error());
    }
    for (const conf::PartitionSettings& one : session.config.partitions) {
        const auto named = maintenance::find_relation(session.db, one.table);
        if (named && named->oid == table->oid) {
            wish.key = one.key;
            wish.interval = one.interval;
            wish.ahead = one.ahead_max;
            wish.name = one.name;
        }
    }
    wish.key = key_.empty() ? wish.key : key_;
    wish.name = name_.empty() ? wish.name : name_;
    for (const auto& [name, text, into] : {std::tuple{"--interval", &interval_, &wish.interval},
                                           std::tuple{"--ahead", &ahead_, &wish.ahead}}) {
        if (const Answer<void> read = read_step(name, *text, *into); !read) {
            return failed(read.error());
        }
    }
    if ((wish.key.empty() && !empties_default_) || wish.interval.is_zero()) {
        return problem(table->text() + ": is in no [[partition]]",
                       empties_default_
                           ? "--interval \"1 month\" says how wide its partitions are to be"
                           : "--key COLUMN and --interval \"1 month\" say what it is to become");
    }
    if (wish.ahead.is_zero()) {
        wish.ahead = usual_ahead(wish.interval);
    }
    if (wish.ahead.is_number() != wish.interval.is_number()) {
        return problem("--ahead " + wish.ahead.text + " and --interval " + wish.interval.text +
                           " are not of a kind",
                       "both are stretches of time, or both are numbers");
    }
    return wish;
}

int ConvertCommand::run() const {
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        const Answer<ConvertWish> wanted = wish(session);
        if (!wanted) {
            return complain(wanted.error());
        }
        conf::MaintenanceSettings settings = session.job.settings;
        settings.timezone = timezone_.empty() ? settings.timezone : timezone_;
        maintenance::JobContext job{.db = session.db,
                                    .settings = settings,
                                    .stop = session.job.stop,
                                    .reporter = session.job.reporter,
                                    .is_dry = arguments_.is_dry};
        if (!empties_default_) {
            return conclude(maintenance::convert_table(job, *wanted));
        }
        conf::PartitionSettings partitions;
        partitions.table = wanted->table;
        partitions.key = wanted->key;
        partitions.interval = wanted->interval;
        partitions.ahead_min = wanted->ahead;
        partitions.ahead_max = wanted->ahead;
        partitions.name = wanted->name;
        return conclude(maintenance::empty_default(job, partitions));
    });
}

}  // namespace weir::proxy
