#include "ledger/recorder.hpp"

#include "base/utf8.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace weir::ledger {

namespace {

/// Twice as many places as entries: short ways to a free one.
constexpr std::size_t kIndexPlaces = 2 * std::bit_ceil(Recorder::kEntriesMax);
/// A table that has just been handed over is followed by one of this size; it grows.
constexpr std::size_t kIndexPlacesFirst = 256;

std::size_t place_of(const Digest* digest, const Labels* labels, std::size_t places) {
    constexpr std::uint64_t kMix = 0x9E37'79B9'7F4A'7C15;
    const auto mixed = (reinterpret_cast<std::uintptr_t>(digest) * kMix) ^
                       std::rotl(reinterpret_cast<std::uintptr_t>(labels) * kMix, 32);
    return static_cast<std::size_t>((mixed ^ (mixed >> 29U)) * kMix >> 32U) & (places - 1);
}

std::uint64_t us_of(microseconds time) {
    return time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count());
}

std::size_t bytes_of(const StatementDetail& detail) {
    return detail.text.size() + detail.parameters.size() + detail.message.size() +
           detail.plan.size() + detail.trace_id.size() + detail.span_id.size();
}

void cut(std::string& text, std::size_t most) {
    if (text.size() > most) {
        text.resize(cut_utf8(text, most).size());
        text.shrink_to_fit();
    }
}

}  // namespace

Recorder::Recorder(const std::atomic<double>& sample_rate, std::uint64_t seed)
    : sample_rate_{&sample_rate}, random_{seed}, table_{std::make_unique<SumsTable>()} {}

Recorder::~Recorder() {
    delete handed_
        .load();  // NOLINT(cppcoreguidelines-owning-memory): what take() would have wrapped
}

void Recorder::add(Statement&& statement) {
    enter(statement.ended_unix_us);
    Sums& sums = sums_of(statement.digest, statement.labels);
    count(sums, statement);
    if (wants(statement)) {
        keep(std::move(statement), sums);
    }
}

Sums& Recorder::sums_of(const DigestPtr& digest, const LabelsPtr& labels) {
    SumsTable::Entry* entry =
        table_->index.empty() ? nullptr : &entry_of(digest.get(), labels.get());
    if (entry != nullptr && entry->sums != nullptr) {
        return *entry->sums;
    }
    return make_sums(digest, labels);
}

/// @return its entry, or the free one where it belongs
SumsTable::Entry& Recorder::entry_of(const Digest* digest, const Labels* labels) {
    std::vector<SumsTable::Entry>& index = table_->index;
    std::size_t place = place_of(digest, labels, index.size());
    while (index[place].sums != nullptr &&
           (index[place].digest.get() != digest || index[place].labels.get() != labels)) {
        place = (place + 1) & (index.size() - 1);
    }
    return index[place];
}

Sums& Recorder::make_sums(const DigestPtr& digest, const LabelsPtr& labels) {
    if (table_->entries >= kEntriesMax) {
        folded_.add();
        return sums_of_rest();
    }
    const DigestPtr kept_digest = admitted(digest);
    const LabelsPtr kept_labels = admitted(labels);
    Sums* sums = nullptr;
    if (kept_digest != digest || kept_labels != labels) {
        sums = &sums_of(kept_digest, kept_labels);
    } else if (table_->sums.size() >= kEntriesMax) {
        return sums_of_rest();
    } else {
        sums = &table_->sums.emplace_back();
        sums->digest = digest;
        sums->labels = labels;
        sums->hour = std::max<std::int64_t>(hour_, 0);
    }
    if (2 * (table_->entries + 1) > table_->index.size() && table_->index.size() < kIndexPlaces) {
        std::vector<SumsTable::Entry> old = std::exchange(
            table_->index,
            std::vector<SumsTable::Entry>(std::max(kIndexPlacesFirst, 2 * table_->index.size())));
        for (SumsTable::Entry& entry : old) {
            if (entry.sums != nullptr) {
                entry_of(entry.digest.get(), entry.labels.get()) = std::move(entry);
            }
        }
    }
    entry_of(digest.get(), labels.get()) = {.digest = digest, .labels = labels, .sums = sums};
    ++table_->entries;
    return *sums;
}

Sums& Recorder::sums_of_rest() {
    if (rest_ == nullptr) {
        rest_ = &table_->sums.emplace_back();
        rest_->digest = other_digest();
        rest_->labels = other_labels();
        rest_->hour = std::max<std::int64_t>(hour_, 0);
    }
    return *rest_;
}

DigestPtr Recorder::admitted(const DigestPtr& digest) {
    if (digest->hash == 0 || digests_.contains(digest->hash)) {
        return digest->hash == 0 ? other_digest() : digest;
    }
    if (digests_.size() < kDigestsMax) {
        digests_.insert(digest->hash);
        return digest;
    }
    if (refused_.size() < kDigestsMax && refused_.insert(digest->hash).second) {
        folded_.add();
    }
    return other_digest();
}

LabelsPtr Recorder::admitted(const LabelsPtr& labels) {
    if (labels->application == kOtherName) {
        return labels;
    }
    if (applications_.size() >= kDatabasesMax && !applications_.contains(labels->database)) {
        return other_labels();
    }
    std::unordered_set<std::string>& known = applications_[labels->database];
    if (known.contains(labels->application)) {
        return labels;
    }
    if (known.size() < kApplicationsMax) {
        known.insert(labels->application);
        return labels;
    }
    std::string key = labels->database;
    key.push_back('\0');
    key += labels->user;
    if (const auto found = other_application_.find(key); found != other_application_.end()) {
        return found->second;
    }
    if (other_application_.size() >= kEntriesMax) {
        return other_labels();
    }
    Labels other{.database = labels->database, .user = labels->user, .application = kOtherName};
    return other_application_
        .emplace(std::move(key), std::make_shared<const Labels>(std::move(other)))
        .first->second;
}

void Recorder::turn_hour(std::int64_t hour) {
    hour_ = hour;
    hour_begin_us_ = hour * kHourUs;
    table_->index.clear();
    table_->entries = 0;
    // A table that is not taken for hours has its one remainder in the hour it first had one.
    rest_ = table_->sums.size() > kEntriesMax ? rest_ : nullptr;
    digests_.clear();
    refused_.clear();
    applications_.clear();
    other_application_.clear();
    ++epoch_;
}

void Recorder::count(Sums& sums, const Statement& statement) {
    const std::uint64_t total = us_of(statement.total);
    const std::uint64_t server = us_of(statement.server);
    const std::uint64_t wait = us_of(statement.wait);
    Totals& totals = sums.totals;
    ++totals.calls;
    totals.rows += statement.rows;
    totals.bytes += statement.bytes;
    totals.total_us += total;
    totals.server_us += server;
    totals.wait_us += wait;
    totals.sending_us += us_of(statement.sending);
    totals.min_us = std::min(totals.min_us, total);
    totals.max_us = std::max(totals.max_us, total);
    totals.retried += statement.is_retried ? 1 : 0;
    totals.cut += statement.is_cut ? 1 : 0;
    totals.cache_hits += statement.cache == CacheUse::Hit ? 1 : 0;
    totals.cache_misses += statement.cache == CacheUse::Miss ? 1 : 0;
    totals.cache_saved_us += us_of(statement.saved);
    sums.spread.total.add(total);
    sums.spread.server.add(server);
    sums.spread.wait.add(wait);
    if (statement.error) [[unlikely]] {
        ++totals.errors;
        add_error(sums.errors, {.sqlstate = *statement.error, .count = 1});
    }
    if (statement.wait_reason != WaitReason::None) [[unlikely]] {
        count_wait(sums, statement);
    }
}

void Recorder::count_wait(Sums& sums, const Statement& statement) {
    WaitSums*& waits = sums.waits.at(static_cast<std::size_t>(statement.wait_reason));
    if (waits == nullptr) {
        const auto is_same = [&](const WaitSums& known) {
            return known.reason == statement.wait_reason && known.hour == sums.hour &&
                   known.labels->database == sums.labels->database &&
                   known.labels->user == sums.labels->user;
        };
        const auto found = std::find_if(table_->waits.begin(), table_->waits.end(), is_same);
        if (found != table_->waits.end()) {
            waits = &*found;
        } else if (table_->waits.size() < kWaitsMax) {
            waits = &table_->waits.emplace_back();
            // The last place is for all that have none.
            waits->labels = table_->waits.size() == kWaitsMax ? other_labels() : sums.labels;
            waits->hour = sums.hour;
            waits->reason = statement.wait_reason;
        } else {
            waits = &table_->waits.back();
        }
    }
    ++waits->count;
    waits->us += us_of(statement.wait);
    waits->times.add(us_of(statement.wait));
}

bool Recorder::wants(const Statement& statement) {
    return statement.is_slow || statement.error ||
           is_chosen(sample_rate_->load(std::memory_order_relaxed));
}

bool Recorder::is_chosen(double rate) {
    // Knuth's MMIX generator: its upper bits are good enough to choose by.
    constexpr std::uint64_t kFactor = 6'364'136'223'846'793'005;
    constexpr std::uint64_t kAddend = 1'442'695'040'888'963'407;
    constexpr unsigned kUpper = 11;
    constexpr double kUnit = 0x1p-53;
    random_ = random_ * kFactor + kAddend;
    return static_cast<double>(random_ >> kUpper) * kUnit < rate;
}

void Recorder::keep(Statement&& statement) {
    statement.digest = admitted(statement.digest);
    statement.labels = admitted(statement.labels);
    keep_admitted(std::move(statement));
}

void Recorder::keep(Statement&& statement, const Sums& sums) {
    statement.digest = sums.digest;
    statement.labels = sums.labels;
    keep_admitted(std::move(statement));
}

void Recorder::keep_admitted(Statement&& statement) {
    const double rate = sample_rate_->load(std::memory_order_relaxed);
    const bool is_certain = statement.is_slow || statement.error || rate <= 0;
    cut(statement.client, kDetailIdMax);
    fit_detail(statement);
    const std::size_t detail_bytes = statement.detail == nullptr ? 0 : bytes_of(*statement.detail);
    if (!samples_.push({.statement = std::move(statement), .weight = is_certain ? 1 : 1 / rate})) {
        lost_samples_.add();
        return;
    }
    detail_bytes_in_ += detail_bytes;
}

/// Cuts what is too long, and takes it off where too much is on its way already.
void Recorder::fit_detail(Statement& statement) {
    if (statement.detail == nullptr) {
        return;
    }
    StatementDetail& detail = *statement.detail;
    cut(detail.text, kDetailTextMax);
    cut(detail.parameters, kDetailTextMax);
    cut(detail.message, kDetailTextMax);
    cut(detail.plan, kDetailPlanMax);
    cut(detail.trace_id, kDetailIdMax);
    cut(detail.span_id, kDetailIdMax);
    const std::uint64_t under_way =
        detail_bytes_in_ - detail_bytes_out_.load(std::memory_order_relaxed);
    if (under_way + bytes_of(detail) > kDetailBytesMax) {
        statement.detail.reset();
        lost_details_.add();
    }
}

void Recorder::add(Session&& session) {
    session.labels = admitted(session.labels);
    if (!sessions_.push(std::move(session))) {
        lost_sessions_.add();
    }
}

void Recorder::hand_over() {
    if (table_->sums.empty() || handed_.load(std::memory_order_acquire) != nullptr) {
        return;
    }
    handed_.store(table_.release(), std::memory_order_release);
    table_ = std::make_unique<SumsTable>();
    rest_ = nullptr;
    ++epoch_;
}

std::unique_ptr<SumsTable> Recorder::take() {
    return std::unique_ptr<SumsTable>{handed_.exchange(nullptr, std::memory_order_acq_rel)};
}

std::unique_ptr<SumsTable> Recorder::take_rest() {
    if (table_->sums.empty()) {
        return nullptr;
    }
    rest_ = nullptr;
    ++epoch_;
    return std::exchange(table_, std::make_unique<SumsTable>());
}

std::optional<Sample> Recorder::take_sample() {
    std::optional<Sample> sample = samples_.pop();
    if (sample && sample->statement.detail != nullptr) {
        detail_bytes_out_.fetch_add(bytes_of(*sample->statement.detail), std::memory_order_relaxed);
    }
    return sample;
}

std::optional<Session> Recorder::take_session() {
    return sessions_.pop();
}

Recorder::Losses Recorder::losses() const {
    return {.samples = lost_samples_.value(),
            .sessions = lost_sessions_.value(),
            .details = lost_details_.value(),
            .folded = folded_.value()};
}

}  // namespace weir::ledger
