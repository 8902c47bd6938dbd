#include "cache/redis/shared_results.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace weir::cache {

namespace {

/// Fields of a record of versions that are no table's.
constexpr std::string_view kNumberField = "!";
constexpr std::string_view kEpochField = "@";

RedisLinkSettings with_scripts(RedisLinkSettings link) {
    link.scripts = {write_script(), store_script(), open_script()};
    link.channels.clear();
    return link;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && stop == text.data() + text.size() && !text.empty()
               ? std::optional{number}
               : std::nullopt;
}

/// The whole database first, then the tables in order: versions are compared as they stand.
std::vector<TableId> with_database(std::span<const TableId> tables) {
    std::vector<TableId> all{tables.begin(), tables.end()};
    all.push_back(kWholeDatabase);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

/// @param reply of HMGET: the record's number, its epoch, then a version for each of `tables`
/// @return nothing where there are none of the epoch in force, or they are not what we write there
std::optional<SharedVersions> versions_from(const Reply& reply,
                                            std::span<const TableId> tables,
                                            std::uint64_t epoch) {
    const auto number = number_of(reply.at(0).text());
    if (!number || number_of(reply.at(1).text()) != epoch || reply.size() != tables.size() + 2) {
        return std::nullopt;
    }
    SharedVersions versions{*number, {}};
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const Reply field = reply.at(i + 2);
        const auto version = field.kind() == Reply::Kind::Nil ? std::optional<std::uint64_t>{0}
                                                              : number_of(field.text());
        if (!version) {
            return std::nullopt;
        }
        versions.tables.push_back({tables[i], *version});
    }
    return versions;
}

std::string_view word_of(Mark mark) {
    switch (mark) {
        case Mark::Leave: return ".";
        case Mark::Set: return "+";
        case Mark::Clear: return "-";
    }
    return ".";
}

/// @param telling late, of writes that are over or of such as are under way
WritePhase phase_of(const Telling& telling) {
    return telling.tables.front().mark == Mark::Set ? WritePhase::Begun : WritePhase::Ended;
}

std::vector<TableId> tables_of(const Telling& telling) {
    std::vector<TableId> tables;
    for (const TableTelling& table : telling.tables) {
        tables.push_back(table.table);
    }
    return tables;
}

}  // namespace

/// A get() between its two answers.
struct SharedResults::Lookup {
    OnFound on_found;
    std::vector<std::byte> key;
    std::vector<TableId> tables;
    std::string versions_key;
    FoundResult found;
    bool is_opening = false;  // the record of versions is yet to be begun
};

SharedResults::SharedResults(net::EventLoop& loop,
                             SharedResultsSettings settings,
                             FreshnessLease& lease,
                             RedisCounters& counters)
    : loop_{loop},
      keys_{std::move(settings.prefix)},
      instance_{settings.instance},
      worker_{settings.worker},
      lapse_{settings.lapse},
      lease_{lease},
      counters_{counters},
      marks_{settings.untold_max, settings.lapse},
      link_{loop, with_scripts(std::move(settings.link)), *this, counters} {}

SharedResults::~SharedResults() {
    if (has_untold_) {
        lease_.note_untold(false);
    }
}

// ---- reading ----------------------------------------------------------------------------------

/// The versions are asked for in front of the value: a value that agrees with them was right at
/// that moment, which is after the call.
bool SharedResults::get(const ResultKey& key, OnFound on_found) {
    // What one thread could not tell yet another one's question may come before.
    if (!lease_.holds(loop_.now()) || lease_.has_untold()) {
        return false;
    }
    auto lookup = std::make_shared<Lookup>();
    lookup->on_found = std::move(on_found);
    lookup->key.assign(key.key.begin(), key.key.end());
    lookup->tables = with_database(key.tables);
    lookup->versions_key = keys_.versions(key.database);
    if (!ask_versions(*lookup,
                      [this, lookup](const Answer& answer) { take_versions(lookup, answer); })) {
        return false;
    }
    const bool is_asked =
        link_.send({"GET", keys_.result(key.database, key.key)},
                   [this, lookup](const Answer& answer) { take_value(*lookup, answer); });
    if (!is_asked) {
        lookup->on_found = nullptr;  // there was room for one more only
    }
    return is_asked;
}

bool SharedResults::ask_versions(const Lookup& lookup, RedisLink::OnAnswer on_answer) {
    std::vector<std::string> fields;
    fields.reserve(lookup.tables.size());
    for (const TableId table : lookup.tables) {
        fields.push_back(table_word(table));
    }
    std::vector<std::string_view> words{"HMGET", lookup.versions_key, kNumberField, kEpochField};
    words.insert(words.end(), fields.begin(), fields.end());
    return link_.send(words, std::move(on_answer));
}

/// Where nobody has counted yet somebody has to begin, or nothing could be kept.
void SharedResults::take_versions(const std::shared_ptr<Lookup>& lookup, const Answer& answer) {
    if (!answer.is_good() || !lookup->on_found) {
        return;
    }
    lookup->found.versions = versions_from(answer.reply, lookup->tables, lease_.epoch());
    if (!lookup->found.versions) {
        open_versions(lookup->versions_key);
        lookup->is_opening = ask_versions(*lookup, [this, lookup](const Answer& opened) {
            if (opened.is_good()) {
                lookup->found.versions =
                    versions_from(opened.reply, lookup->tables, lease_.epoch());
            }
            lookup->on_found(lookup->found);
        });
    }
}

void SharedResults::take_value(Lookup& lookup, const Answer& answer) {
    FoundResult& found = lookup.found;
    if (answer.is_good() && answer.reply.kind() == Reply::Kind::Text && found.versions) {
        found.value = decode_stored_value(as_bytes(answer.reply.text()), lookup.key);
        if (!found.value) {
            counters_.foreign.add();
        } else if (found.value->versions != *found.versions) {
            counters_.stale.add();
            found.value.reset();
        }
    }
    if (answer.error == RedisError::Refused) {
        counters_.foreign.add();  // of another type: it is overwritten
        counters_.misses.add();
    } else if (!answer.is_good()) {
        found.versions.reset();  // who cannot answer that will not be asked to keep anything
    } else {
        (found.value ? counters_.hits : counters_.misses).add();
    }
    if (!lookup.is_opening) {
        lookup.on_found(found);
    }
}

void SharedResults::open_versions(const std::string& versions_key) {
    const std::string epoch_key = keys_.epoch();
    const std::string epoch = new_epoch();
    const std::array<std::string_view, 3> words{versions_key, epoch_key, epoch};
    constexpr std::size_t kKeys = 2;
    static_cast<void>(link_.run(kOpenScript, kKeys, words, nullptr));
}

void SharedResults::set(const ResultKey& key,
                        const SharedVersions& versions,
                        const StoredResult& result,
                        std::chrono::milliseconds ttl) {
    if (!lease_.holds(loop_.now()) || ttl.count() <= 0) {
        return;
    }
    const std::vector<std::byte> value = encode_stored_value(key.key, versions, result);
    std::vector<std::string> owned{keys_.versions(key.database),
                                   keys_.epoch(),
                                   keys_.result(key.database, key.key),
                                   std::to_string(versions.epoch),
                                   std::to_string(ttl.count()),
                                   keys_.invalidations()};
    std::vector<std::string> pairs;
    for (const TableVersion& table : versions.tables) {
        pairs.push_back(table_word(table.table));
        pairs.push_back(std::to_string(table.version));
    }
    std::vector<std::string_view> words{owned.begin(), owned.begin() + 5};
    words.push_back(as_text(value));
    words.push_back(owned.back());
    words.push_back(key.database);
    words.insert(words.end(), pairs.begin(), pairs.end());
    constexpr std::size_t kKeys = 3;
    static_cast<void>(link_.run(kStoreScript, kKeys, words, [this](const Answer& answer) {
        if (answer.is_good()) {
            (answer.reply.integer() == 1 ? counters_.stored : counters_.store_refused).add();
        }
    }));
}

// ---- writing ----------------------------------------------------------------------------------

bool SharedResults::begin_write(std::string_view database,
                                std::span<const TableId> tables,
                                OnTold on_told) {
    WEIR_ASSERT(!tables.empty());
    return tell_write(marks_.begin(database, tables), WritePhase::Begun, std::move(on_told));
}

void SharedResults::repeat_write(std::string_view database, std::span<const TableId> tables) {
    WEIR_ASSERT(!tables.empty());
    static_cast<void>(tell_write(WriteMarks::again(database, tables), WritePhase::Begun, nullptr));
}

bool SharedResults::end_write(std::string_view database,
                              std::span<const TableId> tables,
                              WriteEnd how,
                              OnTold on_told) {
    WEIR_ASSERT(!tables.empty());
    return tell_write(
        marks_.end(database, tables, how, loop_.now()), WritePhase::Ended, std::move(on_told));
}

bool SharedResults::tell_write(const Telling& telling, WritePhase phase, OnTold on_told) {
    const bool is_sent = tell(telling, phase, [this, then = std::move(on_told)](Told told) {
        if (told == Told::Later) {
            counters_.blind_writes.add();
        }
        if (then) {
            then(told);
        }
    });
    if (!is_sent) {
        counters_.blind_writes.add();
    }
    return is_sent;
}

bool SharedResults::tell(const Telling& telling, WritePhase phase, OnTold on_told) {
    const std::array<std::string, 7> owned{
        keys_.versions(telling.database),
        keys_.epoch(),
        new_epoch(),
        // What was sent on an older connection may come later than this: its marks are its own.
        std::to_string(instance_) + '.' + std::to_string(worker_) + '.' +
            std::to_string(link_.generation()),
        std::to_string(lapse_.count()),
        keys_.invalidations(),
        invalidation_text({0, phase, instance_, tables_of(telling), telling.database})};
    std::vector<std::string> tables;
    for (const TableTelling& table : telling.tables) {
        tables.push_back(table_word(table.table));
    }
    std::vector<std::string_view> words{owned.begin(), owned.end()};
    for (std::size_t i = 0; i < tables.size(); ++i) {
        words.emplace_back(tables[i]);
        words.push_back(word_of(telling.tables[i].mark));
    }
    constexpr std::size_t kKeys = 2;
    const bool is_sent =
        link_.run(kWriteScript,
                  kKeys,
                  words,
                  [this, telling, told = std::move(on_told)](const Answer& answer) {
                      this->on_told(telling, answer, told);
                  });
    if (!is_sent) {
        remember(telling);
    }
    return is_sent;
}

void SharedResults::on_told(const Telling& telling, const Answer& answer, const OnTold& on_told) {
    const bool is_unfit = answer.error == RedisError::Oom || answer.error == RedisError::Refused;
    if (is_unfit && drop_versions(telling, on_told)) {
        return;
    }
    if (!answer.is_good()) {
        remember(telling);
    }
    on_told(answer.is_good() ? Told::Now : Told::Later);
}

/// Full, or with something else in their place, Redis counts no versions any more; but it still
/// forgets what it is told to. Without versions none of the database's results agree with anything.
bool SharedResults::drop_versions(const Telling& telling, const OnTold& on_told) {
    const std::string text =
        "0 " +
        invalidation_text({0, WritePhase::Ended, instance_, {kWholeDatabase}, telling.database});
    return link_.send({"PUBLISH", keys_.invalidations(), text}, nullptr) &&
           link_.send({"DEL", keys_.versions(telling.database)},
                      [this, telling, on_told](const Answer& answer) {
                          if (!answer.is_good()) {
                              remember(telling);
                          }
                          on_told(answer.is_good() ? Told::Now : Told::Later);
                      });
}

void SharedResults::remember(const Telling& telling) {
    if (marks_.remember(telling)) {
        counters_.whole_database.add();
    }
    publish_untold();
    if (!retry_.is_set()) {
        loop_.set_deadline(retry_, loop_.now() + kRetry);
    }
}

/// Before anything else is sent on the new connection.
void SharedResults::on_up() {
    if (link_.generation() > 1) {
        marks_.forget_marks(loop_.now());
    }
    publish_untold();
    tell_untold();
}

void SharedResults::on_deadline(net::Deadline& /*deadline*/) {
    tell_untold();
}

void SharedResults::tell_untold() {
    retry_.clear();
    while (link_.is_up() && marks_.untold() > 0) {
        const Telling telling = marks_.next_untold(loop_.now());
        const std::size_t tables = telling.tables.size();
        ++late_;
        const bool is_sent = tell(telling, phase_of(telling), [this, tables](Told told) {
            counters_.told_later.add(told == Told::Now ? tables : 0);
            --late_;
            publish_untold();
        });
        if (!is_sent) {
            --late_;
            return;  // remembered once more, for later
        }
    }
}

void SharedResults::publish_untold() {
    const bool has = late_ > 0 || marks_.untold() > 0;
    if (has != std::exchange(has_untold_, has)) {
        lease_.note_untold(has);
    }
}

}  // namespace weir::cache
