#pragma once

namespace weir::pool {

class LeaseHolder;

/// Waits on a backend for the end of what was sent there. Destroyed before on_rest(): the backend
/// is gone, and what became of a commit under way is not known.
/// @thread its backend's
class TransactionWitness {
public:
    TransactionWitness() = default;
    TransactionWitness(const TransactionWitness&) = delete;
    TransactionWitness& operator=(const TransactionWitness&) = delete;
    TransactionWitness(TransactionWitness&&) = delete;
    TransactionWitness& operator=(TransactionWitness&&) = delete;
    virtual ~TransactionWitness() = default;

    /// What was committed just now may have changed functions, tables or the like.
    virtual void on_catalog_change() = 0;

    /// All has been answered, and no transaction is open. It is destroyed next.
    /// @param holder who has not been told yet; nullptr: it has left
    virtual void on_rest(LeaseHolder* holder) = 0;
};

}  // namespace weir::pool
