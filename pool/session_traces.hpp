#pragma once

#include "base/clock.hpp"
#include "base/session_effects.hpp"
#include "pool/transaction_witness.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace weir::pool {

/// What is thought to be left in a backend's session, by whoever it was lent to. Kept by its
/// Backend; the holder says what it sees in what it sends.
/// @thread the backend's
class SessionTraces {
public:
    /// @return what is known to have been left behind and has not been looked at to the end
    [[nodiscard]] SessionEffects known() const { return known_ | audited_; }

    /// @return what is to be looked at, or reset
    [[nodiscard]] SessionEffects suspected() const { return known_ | unknown_; }

    /// The statement that goes out next answers SET and yet changes nothing that lasts.
    void expect_local_set() { ++local_sets_; }

    /// The holder may have called nextval() here.
    void note_sequences() { has_sequences_ = true; }

    /// @return whether lastval() and currval() may tell the holder what was another client's
    [[nodiscard]] bool has_foreign_sequences() const {
        return has_foreign_sequences_ && !are_being_forgotten_;
    }

    /// @return how many ReadyForQuery have said that no transaction is open
    [[nodiscard]] std::uint32_t rests() const { return rests_; }

    /// A SET … TO DEFAULT of the holder's may run, which is a RESET that answers SET.
    void expect_default() { is_set_a_reset_ = true; }

    /// @return whether a RESET of the holder's has come true since this was last asked
    [[nodiscard]] bool take_has_reset() {
        is_set_a_reset_ = false;
        return std::exchange(has_reset_, false);
    }

    /// @return what the holders have made of what the server reports of how it reads text; nothing
    /// once that has changed
    [[nodiscard]] std::optional<bool> is_text_plain() const { return is_text_plain_; }

    void note_text_plain(bool is_plain) { is_text_plain_ = is_plain; }

    /// @return whether the holder's settings, which it must have, may not be there yet again
    [[nodiscard]] bool is_reapplying() const { return is_reapplying_; }

    /// @return who waits for the end of what was sent; nullptr: nobody
    [[nodiscard]] TransactionWitness* witness() const { return witness_.get(); }

    void set_witness(std::unique_ptr<TransactionWitness> witness) { witness_ = std::move(witness); }

    /// What a transaction under way has been seen to do, from its beginning on.
    enum class Course : std::uint8_t {
        Unseen,
        Reads,  ///< began as READ COMMITTED, and nothing but reads that leave nothing since
        Other,
    };

    [[nodiscard]] Course course() const { return course_; }

    /// @return when the last statement was sent
    [[nodiscard]] TimePoint ran_at() const { return ran_at_; }

    /// A statement is about to be sent, after which this is what the transaction has done.
    void note_run(Course course, TimePoint now) {
        course_ = course;
        ran_at_ = now;
    }

    /// @return whether a holder has let its session write, as far as the server reports that (from
    /// version 14 on)
    [[nodiscard]] bool is_read_only_lifted() const { return is_read_only_lifted_; }

private:
    friend class Backend;

    /// @param is_holders what has set it; else we have
    void note_read_only(bool is_on, bool is_holders) {
        is_read_only_lifted_ = !is_on && (is_read_only_lifted_ || is_holders);
    }

    /// All is answered.
    /// @return whether settings are gone for good
    [[nodiscard]] bool end_reapplying(bool has_transaction_failed) {
        is_reapplying_ = false;
        return std::exchange(has_reapply_failed_, false) && !has_transaction_failed;
    }

    void begin_lease() {
        has_foreign_sequences_ = has_foreign_sequences_ || has_sequences_;
        has_sequences_ = false;
        are_being_forgotten_ = false;
        has_reset_ = is_set_a_reset_ = false;
        local_sets_ = 0;
        course_ = Course::Unseen;
    }

    void tell_catalog_change() {
        if (witness_ != nullptr) {
            witness_->on_catalog_change();
        }
    }

    /// All has been answered, and no transaction is open.
    void come_to_rest(LeaseHolder* holder) {
        course_ = Course::Unseen;
        if (const auto witness = std::exchange(witness_, nullptr); witness != nullptr) {
            witness->on_rest(holder);
        }
    }

    SessionEffects known_;     // that nobody has looked at yet
    SessionEffects unknown_;   // the same
    SessionEffects audited_;   // was known, and is being looked at
    unsigned local_sets_ = 0;  // whose tags are still to come
    std::uint32_t rests_ = 0;
    bool has_sequences_ = false;
    bool has_foreign_sequences_ = false;
    bool are_being_forgotten_ = false;
    bool has_reset_ = false;
    bool is_set_a_reset_ = false;
    bool is_reapplying_ = false;
    bool has_reapply_failed_ = false;
    bool is_read_only_lifted_ = false;
    Course course_ = Course::Unseen;
    TimePoint ran_at_{};
    std::optional<bool> is_text_plain_;
    std::unique_ptr<TransactionWitness> witness_;
};

}  // namespace weir::pool
