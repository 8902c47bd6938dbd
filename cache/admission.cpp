#include "cache/admission.hpp"

#include <utility>

namespace weir::cache {

namespace {

/// A rare statement has to pay that many times over to be kept again: or it would be found wanting
/// by the next window.
constexpr std::uint64_t kPaysWell = 2;

}  // namespace

bool Admission::admits(std::uint64_t digest, std::uint64_t key) {
    Statement& known = statement(digest);
    if (known.all.lookups >= window_of(known)) {
        weigh(known);
    }
    ++known.all.lookups;
    if (!known.is_rare) {
        return true;
    }
    const bool has_come_again = was_here(key);
    if (is_sample(key)) {
        ++known.sample.lookups;
        return true;
    }
    return has_come_again;
}

void Admission::note_hit(std::uint64_t digest, std::uint64_t key) {
    Statement& known = statement(digest);
    ++known.all.hits;
    if (known.is_rare && is_sample(key)) {
        ++known.sample.hits;
    }
}

void Admission::note_read(std::uint64_t digest, std::uint64_t server_us) {
    Statement& known = statement(digest);
    known.read_us += server_us;
    ++known.reads;
}

bool Admission::is_rare(std::uint64_t digest) const {
    const auto found = statements_.find(digest);
    return found != statements_.end() && found->second.is_rare;
}

Admission::Statement& Admission::statement(std::uint64_t digest) {
    if (const auto found = statements_.find(digest); found != statements_.end()) {
        return found->second;
    }
    if (statements_.size() >= kStatementsMax) {
        statements_.clear();
    }
    return statements_[digest];
}

/// @return whether it is among the keys that came last, which it is from now on
bool Admission::was_here(std::uint64_t key) {
    if (recent_.empty()) {
        recent_.resize(std::size_t{1} << kRecentBits);
    }
    constexpr unsigned kTagShift = 48;
    const auto tag = static_cast<std::uint16_t>((key >> kTagShift) | 1U);  // 0: nobody
    return std::exchange(recent_[key % recent_.size()], tag) == tag;
}

/// A window is over. One without any read has not shown what a hit saves: what was found is kept.
void Admission::weigh(Statement& statement) {
    if (statement.reads != 0) {
        statement.mean_us = statement.read_us / statement.reads;
    }
    const std::uint64_t saved_us = statement.mean_us;
    if (statement.is_rare) {
        statement.is_rare =
            !statement.all.pays(saved_us, kPaysWell) && !statement.sample.pays(saved_us, kPaysWell);
    } else {
        statement.is_rare = statement.reads != 0 && !statement.all.pays(saved_us, 1);
    }
    statement.all = {};
    statement.sample = {};
    statement.read_us = 0;
    statement.reads = 0;
}

}  // namespace weir::cache
