-- What marketing spent on each customer, item by item: their share of
-- campaigns, and the rewards for their referrals, valid or not.
with campaign_members as (
    select * from intermediate.memberships
),

referral_links as (
    select * from intermediate.referral_links
),

final as (
    select
        customer_id,
        'campaign' as kind,
        campaign_id as item_id,
        assigned_on as day,
        cost
    from campaign_members
    where arm <> 'control'
    union all
    select
        referrer_id as customer_id,
        'reward' as kind,
        referral_id as item_id,
        referred_on as day,
        reward_cost as cost
    from referral_links
    where referrer_id is not null
)

select * from final
