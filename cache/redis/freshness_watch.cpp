#include "cache/redis/freshness_watch.hpp"

#include "base/log.hpp"

#include <charconv>
#include <utility>

namespace weir::cache {

namespace {

RedisLinkSettings link_for(const FreshnessSettings& settings, std::string_view purpose) {
    RedisLinkSettings link = settings.link;
    link.client_name += '-';
    link.client_name += purpose;
    link.scripts.clear();
    link.channels.clear();
    return link;
}

}  // namespace

FreshnessWatch::FreshnessWatch(net::EventLoop& loop,
                               const FreshnessSettings& settings,
                               FreshnessLease& lease,
                               FreshnessObserver& observer,
                               RedisCounters& counters)
    : loop_{loop},
      beat_every_{settings.beat},
      lease_for_{settings.lease},
      settle_for_{settings.settle},
      keys_{settings.prefix},
      beat_channel_{keys_.beats(std::to_string(settings.instance))},
      lease_{lease},
      observer_{observer},
      counters_{counters},
      must_forget_{settings.must_forget} {
    RedisLinkListener& self = *this;
    RedisLinkSettings link = link_for(settings, "messages");
    link.channels = {keys_.invalidations(), beat_channel_};
    messages_ = std::make_unique<RedisLink>(loop, std::move(link), self, counters);
    link = link_for(settings, "beat");
    link.is_reported = false;
    link.scripts = {beat_script()};
    commands_ = std::make_unique<RedisLink>(loop, std::move(link), self, counters);
    loop_.set_deadline(next_beat_, loop_.now());
}

FreshnessWatch::~FreshnessWatch() {
    lease_.end();
}

void FreshnessWatch::on_deadline(net::Deadline& deadline) {
    if (&deadline == &silence_) {
        become_unsure();
        return;
    }
    send_beat();
    loop_.set_deadline(next_beat_, loop_.now() + beat_every_);
}

/// Without a link there is no lease to be had: the messages are not heard, or nothing can be asked.
/// Where they are not heard the number of the last one does not say that none was missed: a full
/// Redis does not count.
void FreshnessWatch::on_down() {
    was_deaf_ = was_deaf_ || !messages_->is_up();
    become_unsure();
}

void FreshnessWatch::send_beat() {
    if (!messages_->is_up() || !commands_->is_up()) {
        return;
    }
    ++beats_;
    sent_[beats_ % kBeatsRemembered] = loop_.now();
    const std::string key = keys_.epoch();
    const std::string epoch = new_epoch();
    const std::string count = std::to_string(beats_);
    const std::array<std::string_view, 5> words{key, epoch, beat_channel_, count, wanted_epoch_};
    // Redis' answer says nothing that the beat itself does not: its absence is what counts.
    static_cast<void>(commands_->run(0, 1, words, nullptr));
}

std::optional<FreshnessWatch::Beat> FreshnessWatch::parse_beat(std::string_view payload) {
    Beat beat;
    const char* at = payload.data();
    const char* const end = at + payload.size();
    for (std::uint64_t* number : {&beat.count, &beat.epoch, &beat.sequence}) {
        const auto [stop, error] = std::from_chars(at, end, *number);
        if (error != std::errc{}) {
            return std::nullopt;
        }
        at = stop == end ? end : stop + 1;
    }
    return at == end ? std::optional{beat} : std::nullopt;
}

void FreshnessWatch::on_message(std::string_view channel, std::string_view payload) {
    if (channel != beat_channel_) {
        hear_invalidation(payload);
    } else if (const auto beat = parse_beat(payload); beat) {
        hear_beat(*beat);
    }
}

void FreshnessWatch::forget() {
    must_forget_ = false;
    wanted_epoch_ = new_epoch();
    become_unsure();
}

bool FreshnessWatch::is_of_wanted_epoch(const Beat& beat) {
    if (must_forget_ || (!wanted_epoch_.empty() && wanted_epoch_ != std::to_string(beat.epoch))) {
        return false;
    }
    wanted_epoch_.clear();
    return true;
}

/// Redis had this beat after every message that was heard before it and before all that follow: if
/// the numbers agree, nothing is missing.
void FreshnessWatch::hear_beat(const Beat& beat) {
    if (beat.count > beats_ || beats_ - beat.count >= kBeatsRemembered) {
        return;  // of somebody else's making
    }
    if (!is_of_wanted_epoch(beat)) {
        return;
    }
    if (std::exchange(was_deaf_, false) || epoch_ != beat.epoch || sequence_ != beat.sequence) {
        if (epoch_ && epoch_ != beat.epoch) {
            counters_.epochs.add();
            log::warn("redis_forgot", {{"detail", "a new epoch: everything cached is dropped"}});
        }
        epoch_ = beat.epoch;
        sequence_ = beat.sequence;
        note_gap();
        lease_.begin_epoch(beat.epoch);
    }
    const TimePoint now = loop_.now();
    const TimePoint until = sent_[beat.count % kBeatsRemembered] + lease_for_;
    if (until <= now) {
        return;  // too late to be worth anything
    }
    loop_.set_deadline(silence_, until);
    if (trust_ == Trust::Unsure) {
        trust_ = Trust::Settling;
        settled_at_ = now + settle_for_;
    }
    if (trust_ == Trust::Settling && now < settled_at_) {
        return;
    }
    lease_.extend(until);
    if (trust_ == Trust::Settling) {
        trust_ = Trust::Sure;
        observer_.on_sure();
    }
}

void FreshnessWatch::hear_invalidation(std::string_view payload) {
    const auto what = parse_invalidation(payload);
    if (!what) {
        note_gap();  // somebody has something to say, and it is not known what
        return;
    }
    if (what->sequence != 0 && epoch_) {
        const bool is_next = what->sequence == sequence_ + 1;
        sequence_ = what->sequence;
        if (!is_next) {
            note_gap();
        }
    }
    observer_.on_invalidation(*what);
}

void FreshnessWatch::note_gap() {
    counters_.gaps.add();
    become_unsure();
    observer_.on_gap();
}

void FreshnessWatch::become_unsure() {
    lease_.end();
    silence_.clear();
    if (std::exchange(trust_, Trust::Unsure) == Trust::Sure) {
        observer_.on_unsure();
    }
}

}  // namespace weir::cache
