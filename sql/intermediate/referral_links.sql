-- Referrals up to as_of, identities resolved on both ends.
with referrals as (
    select * from staging.referrals
),

identity_members as (
    select * from intermediate.identity_members
),

final as (
    select
        referrals.referral_id,
        coalesce(referrers.customer_id, referrals.referrer_id) as referrer_id,
        coalesce(friends.customer_id, referrals.referred_id) as referred_id,
        referrals.referred_at,
        business_day(referrals.referred_at) as referred_on,
        referrals.source,
        coalesce(referrals.reward_cost, cast(0 as decimal(18, 2)))
            as reward_cost
    from referrals
    left join identity_members as referrers
        on referrals.referrer_id = referrers.landed_id
    left join identity_members as friends
        on referrals.referred_id = friends.landed_id
    where business_day(referrals.referred_at) <= $as_of
)

select * from final
