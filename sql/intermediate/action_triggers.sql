-- What calls for an action towards a customer, and since which day. Whether the
-- action is due, open or done is for marts.next_best_actions: the days of that
-- are the seed's.
--
-- One block per action, a row per customer at most: the newest event, or the
-- day since which a state holds. A reason is said as `reason_start`, how long
-- `since_on` is ago, `reason_end`.
with buyers as (
    select * from intermediate.buyers
),

customer_days as (
    select * from intermediate.customer_days
),

customer_value as (
    select * from marts.customer_value
),

known_customers as (
    select * from intermediate.known_customers
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

survey_responses as (
    select * from intermediate.survey_responses
),

next_product as (
    select * from marts.next_product
),

products as (
    select * from staging.products
),

lead_scores as (
    select * from marts.lead_scores
),

second_purchase_window as (
    select
        customer_id,
        'second_purchase_window' as action,
        first_purchase_on as triggered_on,
        'bought once,' as reason_start,
        first_purchase_on as since_on,
        '' as reason_end
    from buyers
    where purchase_days = 1
),

-- One window over all is many times faster than one per customer.
purchases as (
    select
        customer_id,
        day,
        case
            when lag(customer_id) over in_order = customer_id
                then lag(day) over in_order
        end as previous_on
    from customer_days
    where is_purchase_day
    window in_order as (order by customer_id, day)
),

returns_after_gaps as (
    select
        customer_id,
        max(day) as returned_on,
        first_value(previous_on order by day desc) as previous_on
    from purchases
    where days_between(previous_on, day) >= $dormant_days
    group by customer_id
),

say_welcome_back as (
    select
        customer_id,
        'say_welcome_back' as action,
        returned_on as triggered_on,
        'came back' as reason_start,
        returned_on as since_on,
        concat(
            ' after a gap of ',
            cast(days_between(previous_on, returned_on) as varchar),
            ' days'
        ) as reason_end
    from returns_after_gaps
),

thanked_purchases as (
    select
        buyers.customer_id,
        buyers.first_purchase_on,
        case
            when customer_value.value_tier = 'vip'
                then buyers.last_purchase_on
            else buyers.first_purchase_on
        end as purchased_on
    from buyers
    inner join customer_value
        on buyers.customer_id = customer_value.customer_id
),

thank_you as (
    select
        customer_id,
        'thank_you' as action,
        purchased_on as triggered_on,
        case
            when purchased_on = first_purchase_on then 'first purchase'
            else 'vip, bought'
        end as reason_start,
        purchased_on as since_on,
        '' as reason_end
    from thanked_purchases
),

win_back as (
    select
        customer_id,
        'win_back' as action,
        add_days(last_purchase_on, $dormant_days) as triggered_on,
        'last bought' as reason_start,
        last_purchase_on as since_on,
        '' as reason_end
    from buyers
    where
        days_between(last_purchase_on, $as_of) >= $dormant_days
        and days_between(last_purchase_on, $as_of) < $lost_days
),

promoters as (
    select
        customer_id,
        max(day) as promoted_on,
        first_value(score order by responded_at desc, survey_id) as score
    from survey_responses
    where kind = 'nps' and score >= 9 and day > add_days($as_of, -90)
    group by customer_id
),

-- Being vip has no day of its own: it is judged at as_of.
ask_for_referral as (
    select
        buyers.customer_id,
        'ask_for_referral' as action,
        greatest(
            buyers.second_purchase_on,
            add_days(buyers.first_purchase_on, 30),
            coalesce(promoters.promoted_on, buyers.second_purchase_on)
        ) as triggered_on,
        concat(
            case
                when customer_value.value_tier = 'vip' then 'vip, '
                else ''
            end,
            'bought on ',
            cast(buyers.purchase_days as varchar),
            ' days, ',
            case
                when promoters.customer_id is null then 'last'
                else
                    concat(
                        'gave ',
                        regexp_replace(
                            cast(promoters.score as varchar), '\.0$', ''
                        ),
                        ' of 10'
                    )
            end
        ) as reason_start,
        coalesce(promoters.promoted_on, buyers.last_purchase_on) as since_on,
        '' as reason_end
    from buyers
    inner join customer_value
        on buyers.customer_id = customer_value.customer_id
    left join promoters on buyers.customer_id = promoters.customer_id
    where
        buyers.second_purchase_on is not null
        and days_between(buyers.first_purchase_on, $as_of) >= 30
        and (
            customer_value.value_tier = 'vip'
            or promoters.customer_id is not null
        )
),

cross_sell as (
    select
        buyers.customer_id,
        'cross_sell' as action,
        buyers.last_purchase_on as triggered_on,
        'last bought' as reason_start,
        buyers.last_purchase_on as since_on,
        concat(
            '; ',
            coalesce(offered.name, next_product.product_id),
            ' goes with ',
            coalesce(because.name, next_product.because_of)
        ) as reason_end
    from buyers
    inner join next_product
        on
            buyers.customer_id = next_product.customer_id
            and next_product.rank = 1
    left join products as offered
        on next_product.product_id = offered.product_id
    left join products as because
        on next_product.because_of = because.product_id
    where days_between(buyers.last_purchase_on, $as_of) < $active_days
),

complaint_follow_up as (
    select
        customer_id,
        'complaint_follow_up' as action,
        business_day(last_complained_at) as triggered_on,
        'complained' as reason_start,
        business_day(last_complained_at) as since_on,
        ', not contacted since' as reason_end
    from customer_engagement
    where
        last_complained_at is not null
        and (
            last_contacted_at is null
            or last_contacted_at <= last_complained_at
        )
),

-- What they put off is an outbound interaction itself.
contact_later_due as (
    select
        customer_id,
        'contact_later_due' as action,
        business_day(last_put_off_at) as triggered_on,
        'answered later' as reason_start,
        business_day(last_put_off_at) as since_on,
        ', not contacted since' as reason_end
    from customer_engagement
    where
        last_put_off_at is not null
        and (
            last_contacted_at is null
            or last_contacted_at <= last_put_off_at
        )
),

hot_lead as (
    select
        customer_id,
        'hot_lead' as action,
        last_signal_on as triggered_on,
        concat('lead of grade A, ', replace(last_signal, '_', ' '))
            as reason_start,
        last_signal_on as since_on,
        '' as reason_end
    from lead_scores
    where grade = 'A' and last_signal_on is not null
),

-- Whom we never contacted has heard nothing since we know of them.
silences as (
    select
        buyers.customer_id,
        customer_engagement.last_contacted_at is not null as was_contacted,
        coalesce(
            business_day(customer_engagement.last_contacted_at),
            known_customers.known_on
        ) as silent_since
    from buyers
    inner join known_customers
        on buyers.customer_id = known_customers.customer_id
    left join customer_engagement
        on buyers.customer_id = customer_engagement.customer_id
    where days_between(buyers.last_purchase_on, $as_of) < $dormant_days
),

unappreciated_risk as (
    select
        customer_id,
        'unappreciated_risk' as action,
        add_days(silent_since, $churn_window_days) as triggered_on,
        case
            when was_contacted then 'last contacted'
            else 'never contacted, first known'
        end as reason_start,
        silent_since as since_on,
        '' as reason_end
    from silences
    where days_between(silent_since, $as_of) >= $churn_window_days
),

triggers as (
    select * from second_purchase_window
    union all
    select * from say_welcome_back
    union all
    select * from thank_you
    union all
    select * from win_back
    union all
    select * from ask_for_referral
    union all
    select * from cross_sell
    union all
    select * from complaint_follow_up
    union all
    select * from contact_later_due
    union all
    select * from hot_lead
    union all
    select * from unappreciated_risk
),

final as (
    select
        customer_id,
        action,
        triggered_on,
        -- a state that lasts falls due again
        action in (
            'win_back', 'ask_for_referral', 'cross_sell', 'contact_later_due',
            'unappreciated_risk'
        ) as is_standing,
        -- who asked for it does not have to wait for the next turn
        action <> 'contact_later_due' as has_cooldown,
        -- This window's days are parameters, which a job may override and a
        -- seed cannot: they take the place of the seed's.
        case
            when action = 'second_purchase_window' then $second_purchase_from
        end as due_after_days,
        case
            when action = 'second_purchase_window'
                then $second_purchase_to - $second_purchase_from
        end as expires_after_days,
        concat(
            reason_start,
            case days_between(since_on, $as_of)
                when 0 then ' today'
                when 1 then ' yesterday'
                else
                    concat(
                        ' ',
                        cast(days_between(since_on, $as_of) as varchar),
                        ' days ago'
                    )
            end,
            reason_end
        ) as reason
    from triggers
)

select * from final
