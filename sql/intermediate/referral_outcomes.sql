-- What became of each referral, judged from the facts up to each cut day.
with cut_days as (
    select distinct cut_on
    from intermediate.cut_days
    where purpose in ('matrix', 'kpi')
),

referral_links as (
    select * from intermediate.referral_links
),

buyers as (
    select * from intermediate.buyers
),

links as (
    select
        cut_days.cut_on,
        referral_links.*
    from cut_days
    inner join referral_links
        on cut_days.cut_on >= referral_links.referred_on
),

-- Customers who recommend each other in a circle are not a programme's
-- success: every edge inside a strongly connected component is left out.
circle_members as (
    select
        cut_on,
        unnest(strong_components(referrer_id, referred_id)) as member
    from links
    where
        referrer_id is not null
        and referred_id is not null
        and referrer_id <> referred_id
    group by cut_on
),

circles as (
    select
        cut_on,
        member['id'] as customer_id,
        member['component'] as circle_id
    from circle_members
    where member['size'] > 1
),

judged_links as (
    select
        links.*,
        case
            when links.referrer_id = links.referred_id then 'self'
            when referrer_circles.circle_id = referred_circles.circle_id
                then 'circle'
        end as excluded_as
    from links
    left join circles as referrer_circles
        on
            links.cut_on = referrer_circles.cut_on
            and links.referrer_id = referrer_circles.customer_id
    left join circles as referred_circles
        on
            links.cut_on = referred_circles.cut_on
            and links.referred_id = referred_circles.customer_id
),

-- A purchase day is settled by its own lines, so the first one known at a cut
-- day is the first one known now, if it is not later.
with_purchases as (
    select
        judged_links.*,
        case
            when buyers.first_purchase_on <= judged_links.cut_on
                then buyers.first_purchase_on
        end as first_purchase_on,
        case
            when buyers.first_purchase_on <= judged_links.cut_on
                then buyers.first_purchased_at
        end as first_purchased_at
    from judged_links
    left join buyers on judged_links.referred_id = buyers.customer_id
),

windows as (
    select
        *,
        excluded_as is null as is_valid,
        add_days(referred_on, $referral_days) <= cut_on as has_window_passed,
        excluded_as is null
        and first_purchase_on is not null
        and first_purchase_on >= referred_on
        and first_purchase_on <= add_days(referred_on, $referral_days)
            as holds_purchase
    from with_purchases
),

-- Of several referrals whose window holds the purchase, the earliest gets it.
winners as (
    select
        cut_on,
        referred_id,
        first_value(referral_id order by referred_at, referral_id)
            as referral_id
    from windows
    where holds_purchase
    group by cut_on, referred_id
),

final as (
    select
        windows.cut_on,
        windows.referral_id,
        windows.referrer_id,
        windows.referred_id,
        windows.referred_at,
        windows.referred_on,
        windows.source,
        windows.reward_cost,
        windows.excluded_as,
        windows.is_valid,
        winners.referral_id is not null as is_converted,
        windows.holds_purchase and winners.referral_id is null
            as is_duplicate,
        windows.is_valid and windows.has_window_passed as is_matured,
        windows.is_valid
        and not windows.has_window_passed
        and winners.referral_id is null as is_open,
        windows.first_purchase_on,
        windows.first_purchased_at
    from windows
    left join winners
        on
            windows.cut_on = winners.cut_on
            and windows.referral_id = winners.referral_id
)

select * from final
