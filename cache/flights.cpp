#include "cache/flights.hpp"

#include "base/check.hpp"

#include <map>
#include <utility>
#include <vector>

namespace weir::cache {

namespace detail {

/// All but key and database is guarded by its shard's lock; the stamp is its leader's to read.
struct Flight {
    Flight(KeyView of, DatabasePtr in, Snapshot known)
        : key{of}, database{std::move(in)}, stamp{std::move(known)} {}

    const Key key;
    const DatabasePtr database;
    Snapshot stamp;
    Seats seats;  // who wait, in the order they came
    std::size_t failures = 0;
    bool is_listed = true;
};

}  // namespace detail

namespace {

using detail::SeatPtr;

/// @return nullptr: it has left
Follower* take_follower(detail::Seat& seat) {
    return std::exchange(seat.follower, nullptr);
}

template <class Tell>
void tell_each(const std::vector<SeatPtr>& seats, const Tell& tell) {
    for (const SeatPtr& seat : seats) {
        if (Follower* follower = take_follower(*seat); follower != nullptr) {
            tell(*follower);
        }
    }
}

/// One message for each thread, however many wait there.
template <class Tell>
void post_to_all(const detail::Seats& seats, const Tell& tell) {
    std::map<std::shared_ptr<Mailbox>, std::vector<SeatPtr>> by_mailbox;
    for (const SeatPtr& seat : seats) {
        by_mailbox[seat->mailbox].push_back(seat);
    }
    for (const auto& [mailbox, told] : by_mailbox) {
        mailbox->post([seats_there = told, tell] { tell_each(seats_there, tell); });
    }
}

void post_alone(const detail::Seats& seats) {
    post_to_all(seats, [](Follower& follower) { follower.on_alone(); });
}

}  // namespace

Leader::Leader(std::shared_ptr<Flights> flights, std::shared_ptr<detail::Flight> flight)
    : flights_{std::move(flights)}, flight_{std::move(flight)} {}

KeyView Leader::key() const {
    return flight_->key.view();
}

const DatabasePtr& Leader::database() const {
    return flight_->database;
}

const Snapshot& Leader::stamp() const {
    return flight_->stamp;
}

void Leader::renew_stamp(TimePoint now) {
    Snapshot stamp = flight_->database->versions().stamp(flight_->stamp.tables(), now);
    const std::lock_guard lock{flights_->shard_of(key()).mutex};
    flight_->stamp = std::move(stamp);
}

std::size_t Leader::land(const EntryPtr& entry) {
    const auto flight = std::exchange(flight_, nullptr);
    const detail::Seats seats = flights_->end(*flight);
    post_to_all(seats, [entry](Follower& follower) { follower.on_landed(entry); });
    return seats.size();
}

void Leader::fail() {
    const auto flight = std::exchange(flight_, nullptr);
    flights_->hand_on(flight, Flights::Because::Failed);
}

void Leader::pass_on() {
    const auto flight = std::exchange(flight_, nullptr);
    flights_->hand_on(flight, Flights::Because::Left);
}

void Leader::give_up() {
    const auto flight = std::exchange(flight_, nullptr);
    post_alone(flights_->end(*flight));
}

Waiting::Waiting(std::shared_ptr<Flights> flights,
                 std::shared_ptr<detail::Flight> flight,
                 detail::SeatPtr seat)
    : flights_{std::move(flights)}, flight_{std::move(flight)}, seat_{std::move(seat)} {}

Waiting& Waiting::operator=(Waiting&& other) noexcept {
    if (this != &other) {
        leave();
        flights_ = std::move(other.flights_);
        flight_ = std::move(other.flight_);
        seat_ = std::move(other.seat_);
    }
    return *this;
}

Waiting::~Waiting() {
    leave();
}

void Waiting::leave() {
    if (const auto flight = std::exchange(flight_, nullptr); flight != nullptr) {
        static_cast<void>(take_follower(*seat_));
        flights_->leave(*flight, *seat_);
    }
}

/// @return nullptr where there is none whose stamp holds
Flights::FlightPtr Flights::joinable(const Shard& shard, const KeyView& key) {
    const auto found = shard.flights.find(key);
    if (found == shard.flights.end()) {
        return nullptr;
    }
    const FlightPtr& flight = found->second;
    return flight->database->versions().is_current(flight->stamp) ? flight : nullptr;
}

Leader Flights::start(Shard& shard, KeyView key, const DatabasePtr& database, Snapshot stamp) {
    if (const auto found = shard.flights.find(key); found != shard.flights.end()) {
        const FlightPtr old = found->second;
        unlist(shard, *old);
    }
    auto flight = std::make_shared<Flight>(key, database, std::move(stamp));
    shard.flights.emplace(flight->key.view(), flight);
    return Leader{shared_from_this(), std::move(flight)};
}

void Flights::unlist(Shard& shard, Flight& flight) {
    if (std::exchange(flight.is_listed, false)) {
        shard.flights.erase(flight.key.view());
    }
}

Joined Flights::join(const JoinRequest& request, Snapshot stamp) {
    Shard& shard = shard_of(request.key);
    const std::lock_guard lock{shard.mutex};
    const FlightPtr flight = joinable(shard, request.key);
    if (flight == nullptr) {
        return {start(shard, request.key, request.database, std::move(stamp)), {}};
    }
    if (flight->seats.size() >= kFollowersMax) {
        return {};
    }
    auto seat = std::make_shared<detail::Seat>();
    seat->follower = &request.follower;
    seat->mailbox = request.mailbox;
    seat->is_taken = true;
    seat->place = flight->seats.insert(flight->seats.end(), seat);
    return {{}, Waiting{shared_from_this(), flight, std::move(seat)}};
}

Leader Flights::lead(KeyView key, const DatabasePtr& database, Snapshot stamp) {
    Shard& shard = shard_of(key);
    const std::lock_guard lock{shard.mutex};
    return joinable(shard, key) == nullptr ? start(shard, key, database, std::move(stamp))
                                           : Leader{};
}

Flights::Seats Flights::take_seats(Flight& flight) {
    for (const SeatPtr& seat : flight.seats) {
        seat->is_taken = false;
    }
    return std::exchange(flight.seats, {});
}

Flights::Seats Flights::end(Flight& flight) {
    Shard& shard = shard_of(flight.key.view());
    const std::lock_guard lock{shard.mutex};
    unlist(shard, flight);
    return take_seats(flight);
}

void Flights::hand_on(const FlightPtr& flight, Because because) {
    SeatPtr next;
    Seats alone;
    {
        Shard& shard = shard_of(flight->key.view());
        const std::lock_guard lock{shard.mutex};
        flight->failures += because == Because::Failed ? 1 : 0;
        if (flight->seats.empty() || flight->failures >= kFailuresMax) {
            unlist(shard, *flight);
            alone = take_seats(*flight);
        } else {
            next = flight->seats.front();
            flight->seats.pop_front();
            next->is_taken = false;
        }
    }
    post_alone(alone);
    if (next != nullptr) {
        // Where nobody takes it any more, its destructor passes it on to the one after.
        const auto leader = std::make_shared<Leader>(Leader{shared_from_this(), flight});
        next->mailbox->post([next, leader] {
            if (Follower* follower = take_follower(*next); follower != nullptr) {
                follower->on_promoted(std::move(*leader));
            }
        });
    }
}

void Flights::leave(Flight& flight, detail::Seat& seat) {
    const std::lock_guard lock{shard_of(flight.key.view()).mutex};
    if (std::exchange(seat.is_taken, false)) {
        flight.seats.erase(seat.place);  // its Waiting holds it too
    }
}

std::size_t Flights::size() const {
    std::size_t count = 0;
    for (const Shard& shard : shards_) {
        const std::lock_guard lock{shard.mutex};
        count += shard.flights.size();
    }
    return count;
}

}  // namespace weir::cache
